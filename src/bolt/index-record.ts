/**
 * One key of the index, packed into bytes so that millions of them are no JS objects. Every record begins at
 * a multiple of 8:
 *
 *     0  u32  length of the key
 *     4  u32  length of the KeyValue record; `tombstone` for a deleted key
 *     8  f64  position of the KeyValue record in the db file
 *    16  u64  main revision
 *    24  i64  lease id, 0 for none
 *    32  the key, padded to a multiple of 8
 *
 * All little-endian.
 */
export const recordHeader = 32;
/** In place of a length: the newest revision of this key is its deletion. */
export const tombstone = 0xffffffff;

export function recordLength(keyLength: number): number {
  return (recordHeader + keyLength + 7) & ~7;
}

export function keyLengthAt(bytes: Buffer, record: number): number {
  return bytes.readUInt32LE(record);
}

export function isTombstone(bytes: Buffer, record: number): boolean {
  return bytes.readUInt32LE(record + 4) === tombstone;
}

export function valueLengthAt(bytes: Buffer, record: number): number {
  return bytes.readUInt32LE(record + 4);
}

export function valueOffsetAt(bytes: Buffer, record: number): number {
  return bytes.readDoubleLE(record + 8);
}

export function revisionAt(bytes: Buffer, record: number): bigint {
  return bytes.readBigInt64LE(record + 16);
}

export function leaseAt(bytes: Buffer, record: number): bigint {
  return bytes.readBigInt64LE(record + 24);
}

/** A view of the key, valid as long as `bytes` is. */
export function keyAt(bytes: Buffer, record: number): Buffer {
  return bytes.subarray(record + recordHeader, record + recordHeader + bytes.readUInt32LE(record));
}

/** Byte order of the key of a record and a key. */
export function compareKeyAt(bytes: Buffer, record: number, key: Buffer): number {
  const start = record + recordHeader;
  return -key.compare(bytes, start, start + bytes.readUInt32LE(record));
}

/** Byte order of the keys of two records. */
export function compareRecords(a: Buffer, recordA: number, b: Buffer, recordB: number): number {
  const startA = recordA + recordHeader;
  const startB = recordB + recordHeader;
  return a.compare(b, startB, startB + b.readUInt32LE(recordB), startA, startA + a.readUInt32LE(recordA));
}

/** What a record says besides its key. */
export interface RecordFields {
  readonly valueLength: number;
  readonly valueOffset: number;
  readonly revision: bigint;
  readonly lease: bigint;
}

/** Writes a record whose key is `source[keyStart, keyEnd)`; returns where the next one begins. */
export function writeRecord(
  target: Buffer,
  at: number,
  fields: RecordFields,
  source: Buffer,
  keyStart: number,
  keyEnd: number,
): number {
  target.writeUInt32LE(keyEnd - keyStart, at);
  target.writeUInt32LE(fields.valueLength, at + 4);
  target.writeDoubleLE(fields.valueOffset, at + 8);
  target.writeBigInt64LE(fields.revision, at + 16);
  target.writeBigInt64LE(fields.lease, at + 24);
  source.copy(target, at + recordHeader, keyStart, keyEnd);
  return at + recordLength(keyEnd - keyStart);
}
