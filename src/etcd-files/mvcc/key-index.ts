import { compareKeyAt, keyLengthAt, recordLength } from './index-record.js';
import type { RecordFile } from '../wal/record-file.js';
import type { KeyRange } from '../../store/types.js';

/** Some records in key order; valid until the next batch is asked for. */
export interface RecordBatch {
  readonly bytes: Buffer;
  /** Positions in `bytes`. */
  readonly records: Uint32Array;
}

/** The live keys of a store in byte order, each with its revision, its lease and where its value lies. */
export interface KeyIndex {
  /** Number of live keys. */
  readonly count: number;
  batches(range?: KeyRange): Generator<RecordBatch, void, undefined>;
  /** The one record of the key; valid until the next is asked for. */
  find(key: Buffer): RecordBatch | undefined;
  close(): void;
}

/** An index that fits into memory. */
export class MemoryIndex implements KeyIndex {
  readonly count: number;
  readonly #arena: Buffer;
  readonly #records: Uint32Array;

  constructor(arena: Buffer, records: Uint32Array) {
    this.#arena = arena;
    this.#records = records;
    this.count = records.length;
  }

  *batches(range?: KeyRange): Generator<RecordBatch, void, undefined> {
    const from = range ? lowerBound(this.#arena, this.#records, range.start) : 0;
    const to = range?.end ? lowerBound(this.#arena, this.#records, range.end) : this.count;
    if (from < to) yield { bytes: this.#arena, records: this.#records.subarray(from, to) };
  }

  find(key: Buffer): RecordBatch | undefined {
    const at = lowerBound(this.#arena, this.#records, key);
    if (at === this.count || compareKeyAt(this.#arena, this.#records[at]!, key) !== 0) return undefined;
    return { bytes: this.#arena, records: this.#records.subarray(at, at + 1) };
  }

  close(): void {
    // Nothing is held but memory.
  }
}

/** An index that does not: a sorted temporary file and the first key of each of its blocks. */
export class FileIndex implements KeyIndex {
  readonly count: number;
  readonly #file: RecordFile;
  /** The block that `find` has read last. */
  #block: Buffer = Buffer.alloc(0);
  #blockNumber = -1;

  constructor(file: RecordFile) {
    this.#file = file;
    this.count = file.count;
  }

  *batches(range?: KeyRange): Generator<RecordBatch, void, undefined> {
    let buffer: Buffer = Buffer.alloc(0);
    for (let block = range ? this.#file.blockOf(range.start) : 0; block < this.#file.blockCount; block++) {
      buffer = this.#file.readBlock(block, buffer);
      const all = recordsIn(buffer);
      const from = range ? lowerBound(buffer, all, range.start) : 0;
      const to = range?.end ? lowerBound(buffer, all, range.end) : all.length;
      if (from < to) yield { bytes: buffer, records: all.subarray(from, to) };
      if (to < all.length) return;
    }
  }

  find(key: Buffer): RecordBatch | undefined {
    if (this.count === 0) return undefined;
    const number = this.#file.blockOf(key);
    if (number !== this.#blockNumber) {
      this.#blockNumber = -1;
      this.#block = this.#file.readBlock(number, this.#block);
      this.#blockNumber = number;
    }
    const block = this.#block;
    for (let at = 0; at < block.length; at += recordLength(keyLengthAt(block, at))) {
      const order = compareKeyAt(block, at, key);
      if (order === 0) return { bytes: block, records: Uint32Array.of(at) };
      if (order > 0) return undefined;
    }
    return undefined;
  }

  close(): void {
    this.#file.close();
  }
}

function recordsIn(block: Buffer): Uint32Array {
  const records: number[] = [];
  for (let at = 0; at < block.length; at += recordLength(keyLengthAt(block, at))) records.push(at);
  return Uint32Array.from(records);
}

/** The first of the records whose key is not less than `key`. */
function lowerBound(bytes: Buffer, records: Uint32Array, key: Buffer): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeyAt(bytes, records[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
