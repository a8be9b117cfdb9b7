/** Writes protobuf as etcd's own encoder does: fields in the order of the calls, and none that is zero or empty. */
export class ProtoWriter {
  readonly #parts: Buffer[] = [];

  number(field: number, value: bigint | number): this {
    if (BigInt(value) === 0n) return this;
    this.#parts.push(varint(BigInt(field) << 3n), varint(BigInt.asUintN(64, BigInt(value))));
    return this;
  }

  double(field: number, value: number): this {
    if (value === 0) return this;
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#parts.push(varint((BigInt(field) << 3n) | 1n), bytes);
    return this;
  }

  bytes(field: number, value: Buffer): this {
    if (value.length === 0) return this;
    return this.message(field, value);
  }

  /** Written even when it is empty. */
  message(field: number, value: Buffer): this {
    this.#parts.push(varint((BigInt(field) << 3n) | 2n), varint(BigInt(value.length)), value);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  bytes.push(Number(value));
  return Buffer.from(bytes);
}
