/** What reads the fields of a message, by their numbers. */
export type FieldReaders = Readonly<Record<number, (reader: ProtoReader) => void>>;

/**
 * Reads protobuf's wire format from a range of a buffer. Every read is checked against the range; what breaks
 * the format is handed to `fail`, which knows the file and the place.
 */
export class ProtoReader {
  bytes: Buffer;
  pos: number;
  end: number;
  /** Wire type of the field that `field()` last returned. */
  wireType = 0;
  /** Bounds of the bytes that `lengthDelimited()` last passed over. */
  start = 0;
  stop = 0;
  readonly #fail: (what: string) => Error;

  constructor(fail: (what: string) => Error, bytes: Buffer = Buffer.alloc(0), start = 0, end = bytes.length) {
    this.#fail = fail;
    this.bytes = bytes;
    this.pos = start;
    this.end = end;
  }

  /** Begins anew with other bytes: one reader serves millions of records. */
  reset(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.pos = start;
    this.end = end;
  }

  /** A reader over the bytes that `lengthDelimited()` last passed over. */
  nested(): ProtoReader {
    return new ProtoReader(this.#fail, this.bytes, this.start, this.stop);
  }

  /** The error for bytes that are well-formed protobuf, but not the message they should be. */
  malformed(what: string): Error {
    return this.#fail(what);
  }

  /** The next field's number, 0 at the end. */
  field(): number {
    if (this.pos >= this.end) return 0;
    const tag = this.uint32();
    this.wireType = tag & 7;
    const number = tag >>> 3;
    if (number === 0) throw this.#fail('has a field numbered 0');
    return number;
  }

  /** Reads to the end; fields without a reader are passed over. */
  fields(readers: FieldReaders): void {
    for (let number = this.field(); number !== 0; number = this.field()) {
      const read = readers[number];
      if (read === undefined) this.skip();
      else read(this);
    }
  }

  /** A varint that fits 32 bits; what is beyond them is an error. */
  uint32(): number {
    const { bytes, end } = this;
    let value = 0;
    for (let shift = 0, at = this.pos; at < end && shift < 35; shift += 7) {
      const byte = bytes[at++]!;
      value = shift < 28 ? value | ((byte & 0x7f) << shift) : value + (byte & 0x7f) * 0x10000000;
      if (byte < 0x80) {
        this.pos = at;
        if (value > 0xffffffff) break;
        return value;
      }
    }
    throw this.#fail('has a number that is cut short or too large');
  }

  /** An int64 field, negative numbers included. */
  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  uint64(): bigint {
    if (this.wireType !== 0) throw this.#fail('has a field of the wrong type');
    const { bytes, end } = this;
    let at = this.pos;
    let low = 0;
    // Four bytes make 28 bits, which most revisions and versions fit: no arithmetic on bigints for those.
    for (let shift = 0; shift < 28 && at < end; shift += 7) {
      const byte = bytes[at++]!;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.pos = at;
        return BigInt(low);
      }
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n && at < end; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.pos = at;
        return BigInt.asUintN(64, value);
      }
    }
    throw this.#fail('has a number that is cut short or too large');
  }

  bool(): boolean {
    return this.uint64() !== 0n;
  }

  /** A field of 8 bytes that holds a double. */
  double(): number {
    if (this.wireType !== 1) throw this.#fail('has a field of the wrong type');
    const { pos } = this;
    this.#advance(8);
    return this.bytes.readDoubleLE(pos);
  }

  /** Passes over a length-delimited field; `start` and `stop` are its bounds. */
  lengthDelimited(): void {
    if (this.wireType !== 2) throw this.#fail('has a field of the wrong type');
    const length = this.uint32();
    if (length > this.end - this.pos) throw this.#fail('has a field that runs past its end');
    this.start = this.pos;
    this.stop = this.pos = this.pos + length;
  }

  /** The bytes of a length-delimited field: a view, not a copy. */
  view(): Buffer {
    this.lengthDelimited();
    return this.bytes.subarray(this.start, this.stop);
  }

  string(): string {
    this.lengthDelimited();
    return this.bytes.toString('utf8', this.start, this.stop);
  }

  /** Passes over a field of whatever type. */
  skip(): void {
    switch (this.wireType) {
      case 0:
        this.#skipVarint();
        return;
      case 1:
        this.#advance(8);
        return;
      case 2:
        this.lengthDelimited();
        return;
      case 5:
        this.#advance(4);
        return;
      default:
        throw this.#fail(`has a field of the wire type ${this.wireType}`);
    }
  }

  #skipVarint(): void {
    const { bytes, end } = this;
    for (let at = this.pos; at < end && at - this.pos < 10;) {
      if (bytes[at++]! < 0x80) {
        this.pos = at;
        return;
      }
    }
    throw this.#fail('has a number that is cut short or too large');
  }

  #advance(length: number): void {
    if (length > this.end - this.pos) throw this.#fail('has a field that runs past its end');
    this.pos += length;
  }
}
