import type { FileWindow } from './file-window.js';
import { readMeta, readMetaAt, type Meta } from './meta.js';
import { branchElements, checkLeaf, elementFlags, pageKind, readPageHeader } from './pages.js';
import { keyEnd, keyStart, valueEnd } from './pages.js';
import type { LeafPage } from './pages.js';

export interface PageFinding {
  readonly page: number;
  /** Continues the sentence that begins with the page. */
  readonly what: string;
}

export interface PageCheck {
  /** Pages in use or once used, the meta pages among them. */
  readonly pages: number;
  /** Pages that a bucket's tree reaches. */
  readonly reached: number;
  /** Whether the file lists its free pages; where it does not, every page that is not reached is free. */
  readonly freelist: boolean;
  /** False when some part of a tree cannot be read; what is above the pages cannot be checked then. */
  readonly readable: boolean;
  /** The buckets, and how many elements each has. */
  readonly elements: ReadonlyMap<string, number>;
}

const metaPage = 0x04;
/** A page that claims so many elements keeps their number in its first 8 bytes. */
const manyElements = 0xffff;
const pageHeaderLength = 16;
const bucketFlag = 1;
const bucketHeader = 16;
const deepest = 64;
/** Pages looked at between two moments at which the caller may do something else. */
const pagesAtOnce = 512;

/**
 * Checks everything that bbolt's own check does, and that etcd's buckets hold no buckets: both meta pages, that
 * each page is reached once, is what it says to be and lies within the file, that keys ascend within a page and
 * across pages and fit the branches above them, and the list of free pages. Goes on after a finding with what
 * does not depend on it. Holds one bit a page.
 * @throws CorruptFileError EMPTY_FILE, NOT_BBOLT, SNAPSHOT_TRUNCATED: no page can be looked at then
 */
export function* checkPages(
  file: FileWindow,
  report: (finding: PageFinding) => void,
): Generator<void, PageCheck, undefined> {
  const meta = readMeta(file);
  checkMetas(file, meta, report);
  const checker = new PageChecker(file, meta, report);
  yield* checker.walk();
  checker.checkFreelist();
  return checker.result();
}

function checkMetas(file: FileWindow, newest: Meta, report: (finding: PageFinding) => void): void {
  const sound: Meta[] = [];
  for (const page of [0, 1]) {
    const offset = page * newest.pageSize;
    const found = readMetaAt(file, offset);
    if (typeof found === 'string') {
      report({ page, what: `is a meta page that ${found}; the other one is used` });
      continue;
    }
    sound.push(found);
    const header = readPageHeader(file.view(offset, pageHeaderLength), 0);
    if (header.id !== page || header.flags !== metaPage) {
      report({ page, what: 'does not say that it is this meta page' });
    }
    if (found.pageSize !== newest.pageSize) report({ page, what: `counts pages of ${found.pageSize} bytes` });
  }
  const [first, second] = sound;
  if (first === undefined || second === undefined) return;
  const distance = first.txid - second.txid;
  if (distance !== 1n && distance !== -1n) {
    const what = `is a meta page of transaction ${second.txid}, which does not follow ${first.txid} of the other one`;
    report({ page: 1, what });
  }
}

/** A page yet to be looked at, and the keys that may be on it: from `low` on, and before `high`. */
interface Visit {
  readonly page: number;
  readonly low: Buffer | undefined;
  readonly high: Buffer | undefined;
  readonly depth: number;
}

class PageChecker {
  readonly #file: FileWindow;
  readonly #meta: Meta;
  readonly #report: (finding: PageFinding) => void;
  readonly #seen: Uint8Array;
  readonly #elements = new Map<string, number>();
  #reached = 0;
  #readable = true;

  constructor(file: FileWindow, meta: Meta, report: (finding: PageFinding) => void) {
    this.#file = file;
    this.#meta = meta;
    this.#report = report;
    this.#seen = new Uint8Array(Math.ceil(meta.highWaterMark / 8));
  }

  result(): PageCheck {
    return {
      pages: this.#meta.highWaterMark,
      reached: this.#reached,
      freelist: this.#meta.freelist !== undefined,
      readable: this.#readable,
      elements: this.#elements,
    };
  }

  *walk(): Generator<void, void, undefined> {
    const roots: { name: string; page: number }[] = [];
    yield* this.#tree(this.#meta.root, (leaf) => {
      for (let i = 0; i < leaf.count; i++) {
        const bucket = this.#bucketAt(leaf, i);
        if (bucket !== undefined) roots.push(bucket);
      }
    });
    for (const { name, page } of roots) {
      let elements = 0;
      yield* this.#tree(page, (leaf) => {
        this.#expectPlain(leaf);
        elements += leaf.count;
      });
      this.#elements.set(name, elements);
    }
  }

  *#tree(root: number, take: (leaf: LeafPage) => void): Generator<void, void, undefined> {
    const stack: Visit[] = [{ page: root, low: undefined, high: undefined, depth: 0 }];
    for (let visit = stack.pop(), looked = 1; visit !== undefined; visit = stack.pop(), looked++) {
      try {
        this.#visit(visit, stack, take);
      } catch (error) {
        if (!(error instanceof PageFault)) throw error;
        this.#readable = false;
        this.#report({ page: visit.page, what: error.message });
      }
      if (looked % pagesAtOnce === 0) yield;
    }
  }

  #visit(visit: Visit, stack: Visit[], take: (leaf: LeafPage) => void): void {
    const { page, low, high, depth } = visit;
    if (depth > deepest) throw new PageFault(`is more than ${deepest} levels deep`);
    const { bytes, count, flags } = this.#claim(page);
    const fail = (what: string): Error => new PageFault(what);
    if (flags === pageKind.branch) {
      const { children, keys } = branchElements(bytes, count, fail);
      checkBounds(keys[0]!, keys.at(-1)!, visit);
      // The last one first, so that the first one is on top of the stack.
      for (let i = children.length - 1; i >= 0; i--) {
        const from = i === 0 ? low : keys[i];
        stack.push({ page: children[i]!, low: from, high: keys[i + 1] ?? high, depth: depth + 1 });
      }
      return;
    }
    if (flags !== pageKind.leaf) {
      throw new PageFault(`has the flags 0x${flags.toString(16)} where a branch or a leaf belongs`);
    }
    const leaf: LeafPage = { bytes, pos: 0, count, offset: page * this.#meta.pageSize, id: page };
    if (count === 0) {
      if (depth > 0) throw new PageFault('is a leaf without keys');
    } else {
      checkLeaf(leaf, fail);
      checkBounds(keyAt(leaf, 0), keyAt(leaf, count - 1), visit);
      this.#checkOverflow(page, bytes.length, valueEnd(leaf, count - 1));
    }
    take(leaf);
  }

  /** The bytes of a page and of those that it runs on into, which are marked as seen. */
  #claim(page: number): { bytes: Buffer; count: number; flags: number } {
    const { pageSize, highWaterMark } = this.#meta;
    if (page < 2 || page >= highWaterMark) {
      throw new PageFault(
        `is named by a branch or a bucket, but is outside the file's ${highWaterMark} pages`,
      );
    }
    if (this.#isSeen(page)) throw new PageFault('is reached twice');
    const offset = page * pageSize;
    const header = readPageHeader(this.#file.view(offset, pageHeaderLength), 0);
    if (header.id !== page) throw new PageFault(`says that it is page ${header.id}`);
    if (page + header.overflow >= highWaterMark) {
      throw new PageFault(`runs ${header.overflow} pages on, past the file's ${highWaterMark} pages`);
    }
    for (let next = page; next <= page + header.overflow; next++) {
      if (this.#isSeen(next)) throw new PageFault(`runs on into page ${next}, which is reached already`);
      this.#see(next);
    }
    const bytes = this.#file.view(offset, (header.overflow + 1) * pageSize);
    return { bytes, count: header.count, flags: header.flags };
  }

  /** bbolt takes as many pages as the elements need, and of old one more when they fill the last one. */
  #checkOverflow(page: number, length: number, used: number): void {
    const { pageSize } = this.#meta;
    const needed = Math.floor(used / pageSize) + 1;
    if (length <= needed * pageSize) return;
    this.#report({ page, what: `runs ${length / pageSize - 1} pages on, of which it needs ${needed - 1}` });
  }

  /** The root page of a bucket that has one; a small bucket lies in the leaf itself, and is checked here. */
  #bucketAt(leaf: LeafPage, i: number): { name: string; page: number } | undefined {
    if (elementFlags(leaf, i) !== bucketFlag) throw new PageFault('holds a plain key among the buckets');
    const name = keyAt(leaf, i).toString('latin1');
    const start = keyEnd(leaf, i);
    const end = valueEnd(leaf, i);
    if (end - start < bucketHeader) throw new PageFault('holds a bucket without a header');
    const root = leaf.bytes.readBigUInt64LE(start);
    if (root !== 0n) return { name, page: Number(root) };
    const bytes = leaf.bytes.subarray(start + bucketHeader, end);
    const fail = (what: string): Error => new PageFault(`holds a bucket that ${what}`);
    if (bytes.length < pageHeaderLength) throw fail('is too short');
    const header = readPageHeader(bytes, 0);
    if (header.flags !== pageKind.leaf) throw fail('is not a leaf');
    const inline: LeafPage = { bytes, pos: 0, count: header.count, offset: leaf.offset, id: leaf.id };
    checkLeaf(inline, fail);
    this.#expectPlain(inline);
    this.#elements.set(name, header.count);
    return undefined;
  }

  #expectPlain(leaf: LeafPage): void {
    for (let i = 0; i < leaf.count; i++) {
      if (elementFlags(leaf, i) === 0) continue;
      throw new PageFault(`has element ${i} with the flags 0x${elementFlags(leaf, i).toString(16)}`);
    }
  }

  checkFreelist(): void {
    const { freelist, highWaterMark, root } = this.#meta;
    if (freelist === undefined) return;
    try {
      const { bytes, count, flags } = this.#claim(freelist);
      this.#reached -= bytes.length / this.#meta.pageSize;
      if (flags !== pageKind.freelist) throw new PageFault('is named as the list of free pages, but is none');
      this.#checkFreeIds(freelist, bytes, count);
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      this.#report({ page: freelist, what: error.message });
      return;
    }
    // What a broken page would have led to is neither reached nor free.
    if (!this.#readable || root >= highWaterMark) return;
    for (let page = 2; page < highWaterMark; page++) {
      if (!this.#isSeen(page)) this.#report({ page, what: 'is neither reached nor listed as free' });
    }
  }

  #checkFreeIds(freelist: number, bytes: Buffer, count: number): void {
    const counted = count === manyElements;
    const total = counted ? Number(bytes.readBigUInt64LE(pageHeaderLength)) : count;
    const first = pageHeaderLength + (counted ? 8 : 0);
    if (first + total * 8 > bytes.length) throw new PageFault(`is too short for its ${total} free pages`);
    let last = 1n;
    for (let i = 0; i < total; i++) {
      const id = bytes.readBigUInt64LE(first + i * 8);
      if (id <= last || id >= BigInt(this.#meta.highWaterMark)) {
        throw new PageFault(`lists page ${id} as free, which is out of order or outside the file`);
      }
      last = id;
      const page = Number(id);
      if (this.#isSeen(page))
        this.#report({ page, what: `is in use, but listed as free on page ${freelist}` });
      else this.#mark(page);
    }
  }

  #isSeen(page: number): boolean {
    return (this.#seen[page >>> 3]! & (1 << (page & 7))) !== 0;
  }

  #see(page: number): void {
    this.#mark(page);
    this.#reached++;
  }

  #mark(page: number): void {
    this.#seen[page >>> 3]! |= 1 << (page & 7);
  }
}

function keyAt(leaf: LeafPage, i: number): Buffer {
  return leaf.bytes.subarray(keyStart(leaf, i), keyEnd(leaf, i));
}

function checkBounds(first: Buffer, last: Buffer, { low, high }: Visit): void {
  if (low && Buffer.compare(first, low) < 0) throw new PageFault('begins before the key of its branch');
  if (high && Buffer.compare(last, high) >= 0)
    throw new PageFault('has keys that belong behind the next branch');
}

/** Ends the look at one page; those beside it are looked at all the same. */
class PageFault extends Error {}
