import { copyShort } from '../mvcc/index-record.js';
import { elementLength, headerLength, pageKind } from '../bbolt/pages.js';

/** bbolt takes the page size from the file, so the smallest that is usual serves everywhere. */
export const pageLength = 4096;

/** A pair as it lies in some buffer: the key, and right behind it the value. */
export interface PairView {
  readonly bytes: Buffer;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

/** Gathers the elements of one page, which may run on into further ones. */
export class PageBuilder {
  /** Bytes of a page without elements. */
  static readonly emptyLength = headerLength;
  readonly #kind: number;
  readonly #elementFlags: number;
  /** Keys and values one behind the other. */
  #data = Buffer.allocUnsafeSlow(pageLength);
  #filled = 0;
  /** For each element its flags or its child, and the lengths of key and value. */
  readonly #marks: number[] = [];
  readonly #keyLengths: number[] = [];
  readonly #valueLengths: number[] = [];

  /** @param elementFlags Of a leaf's elements: 1 for buckets. */
  constructor(kind: number, elementFlags = 0) {
    this.#kind = kind;
    this.#elementFlags = elementFlags;
  }

  /** What an element with so many bytes of key and value adds to a page. */
  static addedLength(bytes: number): number {
    return elementLength + bytes;
  }

  get length(): number {
    return headerLength + this.#marks.length * elementLength + this.#filled;
  }

  get firstKey(): Buffer {
    return Buffer.from(this.#data.subarray(0, this.#keyLengths[0] ?? 0));
  }

  /** Behind an element that is longer than a page the rest of its last page is filled up too. */
  fits({ start, end }: PairView): boolean {
    const { length } = this;
    const room = Math.max(pageLength, wholePages(length) * pageLength);
    return this.#marks.length === 0 || length + PageBuilder.addedLength(end - start) <= room;
  }

  add({ bytes, start, valueStart, end }: PairView): void {
    this.#append(bytes, start, end, this.#elementFlags);
    this.#keyLengths.push(valueStart - start);
    this.#valueLengths.push(end - valueStart);
  }

  addChild(firstKey: Buffer, page: number): void {
    this.#append(firstKey, 0, firstKey.length, page);
    this.#keyLengths.push(firstKey.length);
  }

  #append(bytes: Buffer, start: number, end: number, mark: number): void {
    const filled = this.#filled + end - start;
    if (filled > this.#data.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(filled, 2 * this.#data.length));
      this.#data.copy(grown, 0, 0, this.#filled);
      this.#data = grown;
    }
    copyShort(bytes, start, end, this.#data, this.#filled);
    this.#filled = filled;
    this.#marks.push(mark);
  }

  /** The page with its number, in whole pages; the builder is empty then. */
  finish(id: number): Buffer {
    const count = wholePages(this.length);
    const page = this.#take(count * pageLength);
    page.writeBigUInt64LE(BigInt(id), 0);
    page.writeUInt32LE(count - 1, 12);
    return page;
  }

  /** As a small bucket has it inside its parent: without a number, and no longer than it must be. */
  finishInline(): Buffer {
    return this.#take(this.length);
  }

  #take(length: number): Buffer {
    const page = Buffer.alloc(length);
    const count = this.#marks.length;
    page.writeUInt16LE(this.#kind, 8);
    page.writeUInt16LE(count, 10);
    let data = headerLength + count * elementLength;
    this.#data.copy(page, data, 0, this.#filled);
    for (let i = 0; i < count; i++) {
      const at = headerLength + i * elementLength;
      if (this.#kind === pageKind.branch) this.#writeBranchElement(page, at, data, i);
      else this.#writeLeafElement(page, at, data, i);
      data += this.#keyLengths[i]! + (this.#valueLengths[i] ?? 0);
    }
    this.#filled = this.#marks.length = this.#keyLengths.length = this.#valueLengths.length = 0;
    return page;
  }

  #writeLeafElement(page: Buffer, at: number, data: number, i: number): void {
    page.writeUInt32LE(this.#marks[i]!, at);
    page.writeUInt32LE(data - at, at + 4);
    page.writeUInt32LE(this.#keyLengths[i]!, at + 8);
    page.writeUInt32LE(this.#valueLengths[i]!, at + 12);
  }

  #writeBranchElement(page: Buffer, at: number, data: number, i: number): void {
    page.writeUInt32LE(data - at, at);
    page.writeUInt32LE(this.#keyLengths[i]!, at + 4);
    page.writeBigUInt64LE(BigInt(this.#marks[i]!), at + 8);
  }
}

function wholePages(length: number): number {
  return Math.ceil(length / pageLength);
}
