import { readExactly } from '../bbolt/file-window.js';
import { copyShort, keyAt, keyLengthAt, recordLength } from '../mvcc/index-record.js';
import { TempFile } from '../../core/temp-file.js';

const blockLength = 64 * 1024;

interface Block {
  readonly offset: number;
  readonly length: number;
  readonly firstKey: Buffer;
}

/** Sorted index records on disk, in blocks that no record straddles. */
export class RecordFile {
  readonly #file: TempFile;
  readonly #blocks: Block[] = [];
  #pending: Buffer = Buffer.allocUnsafeSlow(blockLength);
  #filled = 0;
  #count = 0;

  constructor(tempDirectory: string | undefined) {
    this.#file = new TempFile(tempDirectory);
  }

  /** Number of records. */
  get count(): number {
    return this.#count;
  }

  get blockCount(): number {
    return this.#blocks.length;
  }

  /** Adds a copy of the record; records must come in order. */
  append(bytes: Buffer, record: number): void {
    const length = recordLength(keyLengthAt(bytes, record));
    if (this.#filled + length > this.#pending.length) this.#flush();
    // A key of etcd's may be as long as a request, 1.5 MiB; it gets a block to itself.
    if (length > this.#pending.length) this.#pending = Buffer.allocUnsafeSlow(length);
    copyShort(bytes, record, record + length, this.#pending, this.#filled);
    this.#filled += length;
    this.#count++;
  }

  /** To be called after the last `append`. */
  finish(): void {
    this.#flush();
    this.#pending = Buffer.alloc(0);
  }

  #flush(): void {
    if (this.#filled === 0) return;
    const firstKey = Buffer.from(keyAt(this.#pending, 0));
    this.#blocks.push({ offset: this.#file.length, length: this.#filled, firstKey });
    this.#file.append(this.#pending, this.#filled);
    this.#filled = 0;
    if (this.#pending.length > blockLength) this.#pending = Buffer.allocUnsafeSlow(blockLength);
  }

  /** The block's records; `into` is used when it is large enough. */
  readBlock(number: number, into: Buffer): Buffer {
    const block = this.#blocks[number]!;
    const target =
      into.length >= block.length ? into : Buffer.allocUnsafeSlow(Math.max(block.length, blockLength));
    readExactly(this.#file, 'temporary index', target, 0, block.length, block.offset);
    return target.length === block.length ? target : target.subarray(0, block.length);
  }

  /** The last block that may hold the key: the first one whose successor begins after it. */
  blockOf(key: Buffer): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (Buffer.compare(this.#blocks[middle]!.firstKey, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  close(): void {
    this.#file.close();
  }
}
