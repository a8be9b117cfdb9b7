/**
 * One key of the index, packed into bytes so that millions of them are no JS objects. Every record begins at
 * a multiple of 8:
 *
 *     0  u32  length of the key
 *     4  u32  length of the KeyValue record; `tombstone` for a deleted key
 *     8  u64  position of the KeyValue record in the db file
 *    16  i64  main revision, big-endian as in the bucket's key
 *    24  i64  lease id, 0 for none
 *    32  the key, padded to a multiple of 8
 *
 * All but the revision little-endian. Reading and writing are written for speed: they run once or more for
 * every revision of a store.
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
  return bytes.readUInt32LE(record + 8) + bytes.readUInt32LE(record + 12) * 0x100000000;
}

export function revisionAt(bytes: Buffer, record: number): bigint {
  return bytes.readBigInt64BE(record + 16);
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

/** True when the key of a record is `source[start, end)`. */
export function hasKey(bytes: Buffer, record: number, source: Buffer, start: number, end: number): boolean {
  if (bytes.readUInt32LE(record) !== end - start) return false;
  for (let i = start, at = record + recordHeader; i < end; i++, at++) {
    if (source[i] !== bytes[at]) return false;
  }
  return true;
}

/** Byte order of the keys of two records. */
export function compareRecords(a: Buffer, recordA: number, b: Buffer, recordB: number): number {
  const lengthA = a.readUInt32LE(recordA);
  const lengthB = b.readUInt32LE(recordB);
  const shorter = lengthA < lengthB ? lengthA : lengthB;
  const startA = recordA + recordHeader;
  const startB = recordB + recordHeader;
  for (let i = 0; i < shorter; i++) {
    const difference = a[startA + i]! - b[startB + i]!;
    if (difference !== 0) return difference;
  }
  return lengthA - lengthB;
}

/** True when two records of one buffer have the same key. */
export function sameKey(bytes: Buffer, a: number, b: number): boolean {
  const length = bytes.readUInt32LE(a);
  if (length !== bytes.readUInt32LE(b)) return false;
  // Neighbours in order differ near their end, so that is where to look first.
  const startB = b + recordHeader;
  for (let i = length - 1, at = a + recordHeader; i >= 0; i--) {
    if (bytes[at + i] !== bytes[startB + i]) return false;
  }
  return true;
}

/** What a record is made of: the key is `source[keyStart, keyEnd)`, the revision 8 bytes at `revisionStart`. */
export interface RecordParts {
  readonly source: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly revisionStart: number;
  readonly valueLength: number;
  readonly valueOffset: number;
  readonly lease: bigint;
}

/** Returns where the next record begins. */
export function writeRecord(target: Buffer, at: number, parts: RecordParts): number {
  const { source, keyStart, keyEnd, revisionStart, valueOffset } = parts;
  const high = Math.floor(valueOffset / 0x100000000);
  target.writeUInt32LE(keyEnd - keyStart, at);
  target.writeUInt32LE(parts.valueLength, at + 4);
  target.writeUInt32LE(valueOffset - high * 0x100000000, at + 8);
  target.writeUInt32LE(high, at + 12);
  for (let i = 0; i < 8; i++) target[at + 16 + i] = source[revisionStart + i]!;
  if (parts.lease === 0n) for (let i = 24; i < 32; i++) target[at + i] = 0;
  else target.writeBigInt64LE(parts.lease, at + 24);
  copyShort(source, keyStart, keyEnd, target, at + recordHeader);
  return at + recordLength(keyEnd - keyStart);
}

/** `Buffer.copy` makes an object for each call, which for the length of a key costs more than the copying. */
export function copyShort(source: Buffer, start: number, end: number, target: Buffer, at: number): void {
  if (end - start > 256) source.copy(target, at, start, end);
  else for (let i = start, to = at; i < end; i++, to++) target[to] = source[i]!;
}
