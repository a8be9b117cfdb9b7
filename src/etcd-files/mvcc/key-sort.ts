import { recordHeader } from './index-record.js';

/** Groups of at most this many are sorted by insertion. */
const small = 12;

/**
 * Sorts records of an arena by key, and those of one key by position, which is their age. Three-way radix
 * quicksort: Sensu's keys share long beginnings, which a comparing sort would read again and again.
 * @param records Positions of the records in `arena`.
 */
export function sortRecords(arena: Buffer, records: Uint32Array): void {
  // An explicit stack of (from, to, depth): a hostile file must not overflow the program's own.
  const stack: number[] = [0, records.length, 0];
  while (stack.length > 0) {
    let depth = stack.pop()!;
    const to = stack.pop()!;
    const from = stack.pop()!;
    if (to - from <= small) {
      insertionSort(arena, records, from, to, depth);
      continue;
    }
    depth = skipShared(arena, records, from, to, depth);
    const pivot = medianByte(arena, records, from, to, depth);
    let less = from;
    let greater = to;
    for (let i = from; i < greater;) {
      const record = records[i]!;
      const byte = byteAt(arena, record, depth);
      if (byte < pivot) {
        records[i++] = records[less]!;
        records[less++] = record;
      } else if (byte > pivot) {
        records[i] = records[--greater]!;
        records[greater] = record;
      } else i++;
    }
    stack.push(from, less, depth, greater, to, depth);
    // A pivot of -1 is the end of the key: these are all one key, so only their age is left to sort by.
    if (pivot < 0) records.subarray(less, greater).sort();
    else stack.push(less, greater, depth + 1);
  }
}

/** The byte at `depth` of a record's key, -1 past its end. */
function byteAt(arena: Buffer, record: number, depth: number): number {
  return depth < arena.readUInt32LE(record) ? arena[record + recordHeader + depth]! : -1;
}

/** The first depth at which some key of the group differs from its first. */
function skipShared(arena: Buffer, records: Uint32Array, from: number, to: number, depth: number): number {
  const first = records[from]!;
  const firstStart = first + recordHeader;
  let shared = arena.readUInt32LE(first);
  for (let i = from + 1; i < to && shared > depth; i++) {
    const record = records[i]!;
    const length = arena.readUInt32LE(record);
    const most = length < shared ? length : shared;
    const start = record + recordHeader;
    let at = depth;
    while (at < most && arena[start + at] === arena[firstStart + at]) at++;
    shared = at;
  }
  return shared > depth ? shared : depth;
}

function medianByte(arena: Buffer, records: Uint32Array, from: number, to: number, depth: number): number {
  const a = byteAt(arena, records[from]!, depth);
  const b = byteAt(arena, records[(from + to) >>> 1]!, depth);
  const c = byteAt(arena, records[to - 1]!, depth);
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}

function insertionSort(arena: Buffer, records: Uint32Array, from: number, to: number, depth: number): void {
  for (let i = from + 1; i < to; i++) {
    const record = records[i]!;
    let j = i;
    while (j > from && precedes(arena, record, records[j - 1]!, depth)) {
      records[j] = records[j - 1]!;
      j--;
    }
    records[j] = record;
  }
}

function precedes(arena: Buffer, a: number, b: number, depth: number): boolean {
  const lengthA = arena.readUInt32LE(a);
  const lengthB = arena.readUInt32LE(b);
  const most = lengthA < lengthB ? lengthA : lengthB;
  const startA = a + recordHeader;
  const startB = b + recordHeader;
  for (let at = depth; at < most; at++) {
    const difference = arena[startA + at]! - arena[startB + at]!;
    if (difference !== 0) return difference < 0;
  }
  return lengthA === lengthB ? a < b : lengthA < lengthB;
}
