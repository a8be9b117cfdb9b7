import { CorruptFileError } from '../corrupt.js';
import type { FileWindow } from './file-window.js';
import { readMeta } from './meta.js';
import type { Meta } from './meta.js';
import { branchElements, checkLeaf, pageKind, readPageHeader } from './pages.js';
import type { BranchElements, LeafPage } from './pages.js';
import { elementFlags, keyEnd, keyStart, valueEnd } from './pages.js';

/** Where a bucket's tree begins: a page of its own, or, when it is small, inside its parent's leaf. */
export type BucketRoot =
  { readonly page: number } | { readonly inlineOffset: number; readonly inlineLength: number };

export interface Bucket {
  readonly name: Buffer;
  readonly root: BucketRoot;
}

/** A branch page's children are followed to this depth; real trees stay below ten. */
const deepest = 64;
/** Larger than anything etcd can write in one transaction's leaf; a page that claims more is damaged. */
const largestPage = 256 * 1024 * 1024;
const bucketFlag = 1;
const bucketHeader = 16;

/**
 * A bbolt file, read only. Reads the pages asked for and nothing else; every page is checked (its id, its kind,
 * its bounds, the order of its keys) before anything in it is used.
 */
export class BboltFile {
  readonly file: FileWindow;
  readonly meta: Meta;
  /** The top-level buckets in byte order of their names. */
  readonly buckets: readonly Bucket[];

  /** @throws CorruptFileError */
  constructor(file: FileWindow) {
    this.file = file;
    this.meta = readMeta(file);
    this.buckets = this.#readBuckets();
  }

  get path(): string {
    return this.file.path;
  }

  bucket(name: string | Buffer): Bucket | undefined {
    const bytes = typeof name === 'string' ? Buffer.from(name) : name;
    return this.buckets.find((bucket) => bucket.name.equals(bytes));
  }

  /**
   * The leaf pages of a bucket in key order; a page is valid until the next one is asked for.
   * @throws CorruptFileError PAGE_CORRUPT at the page that breaks a rule; keys out of order across pages are
   * such a break, which is also what ends a walk through a tree that leads back into itself.
   */
  *leaves(root: BucketRoot): Generator<LeafPage, void, undefined> {
    const order = new KeyOrder();
    if ('page' in root) yield* this.#walk(root.page, order);
    else {
      const bytes = this.file.view(root.inlineOffset, root.inlineLength);
      const leaf = this.#inlineLeaf(bytes, root.inlineOffset);
      yield leaf;
    }
  }

  /** The last leaf of a bucket: where a bucket keyed by revision has its newest. Undefined when it is empty. */
  lastLeaf(root: BucketRoot): LeafPage | undefined {
    if (!('page' in root)) {
      const bytes = this.file.view(root.inlineOffset, root.inlineLength);
      const leaf = this.#inlineLeaf(bytes, root.inlineOffset);
      return leaf.count === 0 ? undefined : leaf;
    }
    let page = root.page;
    for (let depth = 0; depth < deepest; depth++) {
      const found = this.#page(page, depth > 0);
      if ('pos' in found) return found.count === 0 ? undefined : found;
      page = found.children.at(-1)!;
    }
    throw this.#corrupt(page, `is more than ${deepest} levels deep`);
  }

  *#walk(rootPage: number, order: KeyOrder): Generator<LeafPage, void, undefined> {
    const stack: { branch: BranchElements; next: number }[] = [];
    let page = rootPage;
    for (;;) {
      const found = this.#page(page, stack.length > 0);
      if ('pos' in found) {
        const parent = stack.at(-1);
        order.follow(found, parent?.branch.keys[parent.next - 1], () =>
          this.#corrupt(page, 'has keys that do not follow those before it'),
        );
        yield found;
      } else {
        if (stack.length >= deepest) throw this.#corrupt(page, `is more than ${deepest} levels deep`);
        stack.push({ branch: found, next: 0 });
      }
      while (stack.length > 0 && stack.at(-1)!.next === stack.at(-1)!.branch.children.length) stack.pop();
      const top = stack.at(-1);
      if (!top) return;
      page = top.branch.children[top.next++]!;
    }
  }

  #page(id: number, mustHoldKeys: boolean): LeafPage | BranchElements {
    const { pageSize, highWaterMark } = this.meta;
    // Pages 0 and 1 are the meta pages.
    if (id < 2 || id >= highWaterMark) {
      throw this.#corrupt(id, `is outside the file's ${highWaterMark} pages`);
    }
    const offset = id * pageSize;
    const header = readPageHeader(this.file.view(offset, pageSize), 0);
    if (header.id !== id) throw this.#corrupt(id, `says that it is page ${header.id}`);
    const length = (header.overflow + 1) * pageSize;
    if (id + header.overflow >= highWaterMark) {
      throw this.#corrupt(id, `runs ${header.overflow} pages on, past the file's ${highWaterMark} pages`);
    }
    if (length > largestPage) throw this.#corrupt(id, `claims ${length} bytes`);
    const bytes = this.file.view(offset, length);
    const fail = (what: string): CorruptFileError => this.#corrupt(id, what);
    if (header.flags === pageKind.branch) return branchElements(bytes, header.count, fail);
    if (header.flags !== pageKind.leaf) {
      throw this.#corrupt(
        id,
        `has the flags 0x${header.flags.toString(16)} where a branch or a leaf belongs`,
      );
    }
    if (mustHoldKeys && header.count === 0) throw this.#corrupt(id, 'is a leaf without keys');
    const leaf: LeafPage = { bytes, pos: 0, count: header.count, offset, id };
    checkLeaf(leaf, fail);
    return leaf;
  }

  #inlineLeaf(bytes: Buffer, offset: number): LeafPage {
    const id = Math.floor(offset / this.meta.pageSize);
    const fail = (what: string): CorruptFileError => this.#corrupt(id, `holds a bucket that ${what}`);
    if (bytes.length < 16) throw fail('is too short');
    const header = readPageHeader(bytes, 0);
    if (header.flags !== pageKind.leaf) throw fail('is not a leaf');
    const leaf: LeafPage = { bytes, pos: 0, count: header.count, offset, id };
    checkLeaf(leaf, fail);
    return leaf;
  }

  #readBuckets(): Bucket[] {
    const found: Bucket[] = [];
    for (const leaf of this.leaves({ page: this.meta.root })) {
      for (let i = 0; i < leaf.count; i++) {
        if ((elementFlags(leaf, i) & bucketFlag) === 0) {
          throw this.#corrupt(leaf.id, 'holds a plain key among the buckets');
        }
        found.push(this.#bucketAt(leaf, i));
      }
    }
    return found;
  }

  #bucketAt(leaf: LeafPage, i: number): Bucket {
    const start = keyEnd(leaf, i);
    const length = valueEnd(leaf, i) - start;
    if (length < bucketHeader) throw this.#corrupt(leaf.id, 'holds a bucket without a header');
    const name = Buffer.from(leaf.bytes.subarray(keyStart(leaf, i), start));
    const page = Number(leaf.bytes.readBigUInt64LE(start));
    if (page !== 0) return { name, root: { page } };
    const inlineOffset = leaf.offset + start + bucketHeader;
    return { name, root: { inlineOffset, inlineLength: length - bucketHeader } };
  }

  #corrupt(page: number, what: string): CorruptFileError {
    return new CorruptFileError('PAGE_CORRUPT', this.path, `page ${page} ${what}`);
  }
}

/** Watches that keys ascend from one leaf to the next, as they do within each. */
class KeyOrder {
  #last: Buffer | undefined;

  follow(leaf: LeafPage, separator: Buffer | undefined, fail: () => CorruptFileError): void {
    if (leaf.count === 0) return;
    const first = leaf.bytes.subarray(keyStart(leaf, 0), keyEnd(leaf, 0));
    if (this.#last && Buffer.compare(this.#last, first) >= 0) throw fail();
    // A branch's key is at most the first key below it, or a search for that key would go astray.
    if (separator && Buffer.compare(separator, first) > 0) throw fail();
    this.#last = Buffer.from(
      leaf.bytes.subarray(keyStart(leaf, leaf.count - 1), keyEnd(leaf, leaf.count - 1)),
    );
  }
}
