/** Bytes as protobuf has them, written by hand: what the tests read is not what they write with. */

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}

export function numberField(number: number, value: bigint): Buffer {
  return Buffer.concat([varint(BigInt(number) << 3n), varint(value)]);
}

export function bytesField(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([varint((BigInt(number) << 3n) | 2n), varint(BigInt(bytes.length)), bytes]);
}

export function doubleField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([varint((BigInt(number) << 3n) | 1n), bytes]);
}

/** `wrap.Wrapper`, its bytes not compressed. */
export function wrapper(type: string, encoding: 'json' | 'protobuf', value: Buffer): Buffer {
  const meta = Buffer.concat([bytesField(1, type), bytesField(2, 'core/v3')]);
  return Buffer.concat([
    bytesField(1, meta),
    numberField(2, encoding === 'json' ? 0n : 1n),
    bytesField(4, value),
  ]);
}
