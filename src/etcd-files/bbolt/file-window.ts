import { readSync } from 'node:fs';
import { CorruptFileError } from '../corrupt.js';
import { lengthOf, type OpenFile } from '../../core/temp-file.js';

const smallestRead = 16 * 1024;
const largestRead = 1024 * 1024;
/** The system reads no more at once, and no etcd writes as much in one piece. */
const largestPiece = 2 ** 31 - 1;

/**
 * Reads a file through one window that slides over it: what is looked at in order is read ahead in growing
 * pieces, what is looked at here and there is read in small ones. Never holds more than one mebibyte or the
 * largest piece asked for.
 */
export class FileWindow {
  readonly path: string;
  readonly size: number;
  readonly #file: OpenFile;
  #buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #ahead = smallestRead;

  constructor(file: OpenFile, path: string, size = lengthOf(file)) {
    this.#file = file;
    this.path = path;
    this.size = size;
  }

  /**
   * The bytes `[offset, offset + length)`, valid until the next call only.
   * @throws CorruptFileError SNAPSHOT_TRUNCATED when they lie beyond the end; PAGE_CORRUPT when they are more than any
   * page or record can have; FILE_CHANGED when the file shrank.
   */
  view(offset: number, length: number): Buffer {
    if (offset < this.#start || offset + length > this.#end) this.#slide(offset, length);
    return this.#buffer.subarray(offset - this.#start, offset - this.#start + length);
  }

  #slide(offset: number, length: number): void {
    if (offset + length > this.size) {
      const what = `is ${this.size} bytes long, but its pages reach to byte ${offset + length}: it was cut short`;
      throw new CorruptFileError('SNAPSHOT_TRUNCATED', this.path, what);
    }
    if (length > largestPiece) {
      throw new CorruptFileError(
        'PAGE_CORRUPT',
        this.path,
        `claims ${length} bytes in one piece at byte ${offset}`,
      );
    }
    const follows = offset >= this.#start && offset - this.#end <= this.#ahead;
    this.#ahead = follows ? Math.min(this.#ahead * 2, largestRead) : smallestRead;
    const wanted = Math.min(Math.max(length, this.#ahead), this.size - offset);
    if (this.#buffer.length < wanted || this.#buffer.length > largestRead) {
      this.#buffer = Buffer.allocUnsafeSlow(wanted > largestRead ? wanted : Math.max(wanted, this.#ahead));
    }
    this.#start = this.#end = 0;
    readExactly(this.#file, this.path, this.#buffer, 0, wanted, offset);
    this.#start = offset;
    this.#end = offset + wanted;
  }

  /** Reads `length` bytes at `offset` of the file into `target`, past the window. */
  readInto(target: Buffer, at: number, length: number, offset: number): void {
    readExactly(this.#file, this.path, target, at, length, offset);
  }
}

/** @throws CorruptFileError FILE_CHANGED when the file has become shorter than it was. */
export function readExactly(
  file: OpenFile,
  path: string,
  target: Buffer,
  at: number,
  length: number,
  offset: number,
): void {
  for (let done = 0; done < length;) {
    const got = readSome(file, target, at + done, length - done, offset + done);
    if (got === 0) {
      throw new CorruptFileError('FILE_CHANGED', path, `ended at byte ${offset + done} while it was read`);
    }
    done += got;
  }
}

function readSome(file: OpenFile, target: Buffer, at: number, length: number, offset: number): number {
  if (typeof file === 'number') return readSync(file, target, at, length, offset);
  return file.read(target, at, length, offset);
}
