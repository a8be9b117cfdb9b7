import {
  compareRecords,
  copyShort,
  isTombstone,
  keyLengthAt,
  recordLength,
  sameKey,
  writeRecord,
} from './index-record.js';
import type { RecordParts } from './index-record.js';
import { FileIndex, MemoryIndex } from './key-index.js';
import type { KeyIndex } from './key-index.js';
import { sortRecords } from './key-sort.js';
import { RecordFile } from '../wal/record-file.js';

export interface IndexOptions {
  /** Where runs go that do not fit into memory; default the system's directory for temporary files. */
  readonly tempDirectory?: string;
  /** Bytes of index records held in memory at once; default 8 MiB, enough for some 90,000 keys. */
  readonly runBytes?: number;
}

/** Measured on 150,000 keys: 8 MiB take no longer than 32, and a migration keeps two indexes. */
const defaultRunBytes = 8 * 1024 * 1024;
/** No key is longer: a request of etcd's that held one would pass every limit it has. */
export const longestKey = 8 * 1024 * 1024;

/**
 * Turns records that come in order of age into an index in order of keys that has the newest of each: sorts
 * runs of bounded size, and merges them on disk once there is more than one. What is in memory is bounded
 * by `runBytes`, however many records there are.
 */
export class IndexBuilder {
  readonly #options: IndexOptions;
  #arena: Buffer;
  #filled = 0;
  #records: Uint32Array = new Uint32Array(4096);
  #count = 0;
  readonly #runs: RecordFile[] = [];

  /** @param storeBytes Size of the store: what is indexed of an entry is no larger than the entry. */
  constructor(options: IndexOptions, storeBytes: number) {
    this.#options = options;
    // Not zeroed by hand: the system hands out pages as they are touched, so a small store costs little.
    this.#arena = Buffer.from(new ArrayBuffer(Math.min(options.runBytes ?? defaultRunBytes, storeBytes)));
  }

  /** Adds the next younger record. */
  add(parts: RecordParts): void {
    const length = recordLength(parts.keyEnd - parts.keyStart);
    if (this.#filled + length > this.#arena.length) this.#spill();
    if (length > this.#arena.length) this.#arena = Buffer.alloc(length);
    if (this.#count === this.#records.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#records);
      this.#records = grown;
    }
    this.#records[this.#count++] = this.#filled;
    this.#filled = writeRecord(this.#arena, this.#filled, parts);
  }

  finish(): KeyIndex {
    try {
      const newest = this.#sorted();
      if (this.#runs.length === 0) return new MemoryIndex(this.#arena, live(this.#arena, newest));
      return new FileIndex(this.#merge(newest));
    } finally {
      this.close();
    }
  }

  /** Frees what is on disk; after `finish` there is nothing left to free. */
  close(): void {
    for (const run of this.#runs.splice(0)) run.close();
  }

  /** The newest record of each key of this run, tombstones included, as they hide keys of older runs. */
  #sorted(): Uint32Array {
    const records = this.#records.subarray(0, this.#count);
    sortRecords(this.#arena, records);
    let kept = 0;
    for (let i = 0; i < records.length; i++) {
      const last = i + 1 === records.length || !sameKey(this.#arena, records[i]!, records[i + 1]!);
      if (last) records[kept++] = records[i]!;
    }
    return records.subarray(0, kept);
  }

  #spill(): void {
    if (this.#count === 0) return;
    const run = new RecordFile(this.#options.tempDirectory);
    this.#runs.push(run);
    for (const record of this.#sorted()) run.append(this.#arena, record);
    run.finish();
    this.#filled = this.#count = 0;
  }

  #merge(newest: Uint32Array): RecordFile {
    const merged = new RecordFile(this.#options.tempDirectory);
    try {
      this.#mergeInto(merged, newest);
      return merged;
    } catch (error) {
      merged.close();
      throw error;
    }
  }

  #mergeInto(merged: RecordFile, newest: Uint32Array): void {
    const cursors: RecordCursor[] = this.#runs.map((run, age) => new FileCursor(run, age));
    cursors.push(new MemoryCursor(this.#arena, newest, this.#runs.length));
    const heap = new CursorHeap(cursors.filter((cursor) => cursor.advance()));
    let last = Buffer.alloc(0);
    for (let top = heap.top; top; top = heap.top) {
      // Of one key the youngest comes first; the others are passed over.
      if (last.length === 0 || compareRecords(last, 0, top.bytes, top.record) !== 0) {
        const length = recordLength(keyLengthAt(top.bytes, top.record));
        if (last.length < length) last = Buffer.allocUnsafeSlow(Math.max(length, 1024));
        copyShort(top.bytes, top.record, top.record + length, last, 0);
        if (!isTombstone(top.bytes, top.record)) merged.append(top.bytes, top.record);
      }
      heap.advanceTop();
    }
    merged.finish();
  }
}

function live(arena: Buffer, records: Uint32Array): Uint32Array {
  let kept = 0;
  for (const record of records) if (!isTombstone(arena, record)) records[kept++] = record;
  return records.slice(0, kept);
}

/** Walks through a sorted run. `bytes` and `record` are valid after `advance` has returned true. */
interface RecordCursor {
  /** The higher, the younger its records. */
  readonly age: number;
  bytes: Buffer;
  record: number;
  advance(): boolean;
}

class MemoryCursor implements RecordCursor {
  readonly age: number;
  readonly bytes: Buffer;
  record = 0;
  readonly #records: Uint32Array;
  #next = 0;

  constructor(arena: Buffer, records: Uint32Array, age: number) {
    this.bytes = arena;
    this.#records = records;
    this.age = age;
  }

  advance(): boolean {
    if (this.#next === this.#records.length) return false;
    this.record = this.#records[this.#next++]!;
    return true;
  }
}

class FileCursor implements RecordCursor {
  readonly age: number;
  bytes: Buffer = Buffer.alloc(0);
  record = 0;
  readonly #file: RecordFile;
  #nextBlock = 0;
  #nextRecord = 0;

  constructor(file: RecordFile, age: number) {
    this.#file = file;
    this.age = age;
  }

  advance(): boolean {
    if (this.#nextRecord >= this.bytes.length) {
      if (this.#nextBlock === this.#file.blockCount) return false;
      this.bytes = this.#file.readBlock(this.#nextBlock++, this.bytes);
      this.#nextRecord = 0;
    }
    this.record = this.#nextRecord;
    this.#nextRecord += recordLength(keyLengthAt(this.bytes, this.record));
    return true;
  }
}

/** The cursor with the smallest key on top, the youngest of several with that key. */
class CursorHeap {
  readonly #cursors: RecordCursor[] = [];

  constructor(cursors: readonly RecordCursor[]) {
    for (const cursor of cursors) {
      this.#cursors.push(cursor);
      for (let i = this.#cursors.length - 1; i > 0;) {
        const parent = (i - 1) >> 1;
        if (!this.#swapIfLess(i, parent)) break;
        i = parent;
      }
    }
  }

  get top(): RecordCursor | undefined {
    return this.#cursors[0];
  }

  advanceTop(): void {
    if (!this.#cursors[0]!.advance()) {
      const last = this.#cursors.pop()!;
      if (this.#cursors.length === 0) return;
      this.#cursors[0] = last;
    }
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= this.#cursors.length) return;
      const right = left + 1;
      const child = right < this.#cursors.length && this.#less(right, left) ? right : left;
      if (!this.#swapIfLess(child, i)) return;
      i = child;
    }
  }

  #less(a: number, b: number): boolean {
    const left = this.#cursors[a]!;
    const right = this.#cursors[b]!;
    const order = compareRecords(left.bytes, left.record, right.bytes, right.record);
    return order < 0 || (order === 0 && left.age > right.age);
  }

  #swapIfLess(a: number, b: number): boolean {
    if (!this.#less(a, b)) return false;
    const cursor = this.#cursors[a]!;
    this.#cursors[a] = this.#cursors[b]!;
    this.#cursors[b] = cursor;
    return true;
  }
}
