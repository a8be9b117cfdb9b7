import { metaPage } from '../bbolt/meta.js';
import { PageBuilder, pageLength } from './page-builder.js';
import type { PairView } from './page-builder.js';
import { pageKind } from '../bbolt/pages.js';

/** A bucket of a file to be written. */
export interface BucketToWrite {
  readonly name: Buffer;
  /** In byte order of their keys, the same each time; a pair need be valid only until the next is asked for. */
  pairs(): Iterable<PairView>;
}

/** Where things will lie in a file, known before its first byte is written. */
export interface BboltLayout {
  /** Page of the root bucket. */
  readonly root: number;
  readonly pages: number;
}

/** 0 and 1 are the meta pages, which name what lies behind them. */
const freelistPage = 2;
const firstPage = 3;
const bucketHeader = 16;
/** As bbolt does: a bucket that fits into a quarter of a page lies in its parent's leaf. */
const largestInline = pageLength / 4;

/** Bytes of the file. */
export function bboltSize({ pages }: BboltLayout): number {
  return pages * pageLength;
}

/**
 * Finds the layout of a file by building it once and keeping nothing, because its first page already tells where
 * its last one is. Yields the bytes laid out so far, so that a caller can report or stop in between.
 * @param buckets In byte order of their names.
 */
export function* layOutBbolt(buckets: readonly BucketToWrite[]): Generator<number, BboltLayout, undefined> {
  const building = new FileBuilder().build(buckets);
  let length = firstPage * pageLength;
  for (;;) {
    const { done, value } = building.next();
    if (done === true) return value;
    length += value.length;
    yield length;
  }
}

/**
 * The file itself, front to back in pieces of whole pages: compact, without a free page, and as bbolt would
 * write it. Holds no more than a page of each level of a tree.
 * @param layout As `layOutBbolt` has found it for the same buckets.
 */
export function* writeBbolt(
  buckets: readonly BucketToWrite[],
  layout: BboltLayout,
): Generator<Buffer, BboltLayout, undefined> {
  const { root, pages } = layout;
  const meta = { pageSize: pageLength, root, highWaterMark: pages, freelist: freelistPage };
  yield metaPage(0, { ...meta, txid: 1n });
  yield metaPage(1, { ...meta, txid: 0n });
  yield new PageBuilder(pageKind.freelist).finish(freelistPage);
  return yield* new FileBuilder().build(buckets);
}

/** A tree's root: a page, or, for a small bucket, the value that holds all of it. */
type Root = { readonly page: number } | { readonly inline: Buffer };

interface Child {
  readonly firstKey: Buffer;
  readonly page: number;
}

class FileBuilder {
  #nextPage = firstPage;

  *build(buckets: readonly BucketToWrite[]): Generator<Buffer, BboltLayout, undefined> {
    const roots: PairView[] = [];
    for (const bucket of buckets) {
      const root = yield* this.#tree(bucket.pairs(), new PageBuilder(pageKind.leaf), largestInline);
      roots.push(pairView(bucket.name, 'inline' in root ? root.inline : bucketValue(root.page)));
    }
    const root = yield* this.#tree(roots, new PageBuilder(pageKind.leaf, 1), 0);
    if (!('page' in root)) throw new Error('The root bucket is inside itself.');
    return { root: root.page, pages: this.#nextPage };
  }

  /** Leaves as the pairs come, and a branch above them whenever one is full. */
  *#tree(
    pairs: Iterable<PairView>,
    leaf: PageBuilder,
    mostInline: number,
  ): Generator<Buffer, Root, undefined> {
    const levels: BranchLevel[] = [];
    for (const pair of pairs) {
      if (!leaf.fits(pair)) yield* this.#addChild(levels, 0, yield* this.#place(leaf));
      leaf.add(pair);
    }
    if (levels.length === 0 && leaf.length <= mostInline) {
      return { inline: Buffer.concat([Buffer.alloc(bucketHeader), leaf.finishInline()]) };
    }
    yield* this.#addChild(levels, 0, yield* this.#place(leaf));
    for (let depth = 0; ; depth++) {
      const children = levels[depth]!.takeAll();
      if (children.length === 1) return { page: children[0]!.page };
      yield* this.#addChild(levels, depth + 1, yield* this.#place(branchOf(children)));
    }
  }

  *#addChild(levels: BranchLevel[], depth: number, child: Child): Generator<Buffer, void, undefined> {
    const full = (levels[depth] ??= new BranchLevel()).add(child);
    if (full) yield* this.#addChild(levels, depth + 1, yield* this.#place(branchOf(full)));
  }

  *#place(page: PageBuilder): Generator<Buffer, Child, undefined> {
    const { firstKey } = page;
    const id = this.#nextPage;
    const bytes = page.finish(id);
    this.#nextPage += bytes.length / pageLength;
    yield bytes;
    return { firstKey, page: id };
  }
}

/** Children that have no parent yet. */
class BranchLevel {
  #children: Child[] = [];
  #length = PageBuilder.emptyLength;

  /** Returns children to make a page of, once there are enough. Two stay behind: a branch never has one child. */
  add(child: Child): readonly Child[] | undefined {
    this.#children.push(child);
    this.#length += PageBuilder.addedLength(child.firstKey.length);
    if (this.#length <= pageLength || this.#children.length < 4) return undefined;
    const full = this.#children.splice(0, this.#children.length - 2);
    this.#length = PageBuilder.emptyLength;
    for (const { firstKey } of this.#children) this.#length += PageBuilder.addedLength(firstKey.length);
    return full;
  }

  takeAll(): readonly Child[] {
    return this.#children.splice(0);
  }
}

function branchOf(children: readonly Child[]): PageBuilder {
  const page = new PageBuilder(pageKind.branch);
  for (const { firstKey, page: id } of children) page.addChild(firstKey, id);
  return page;
}

function bucketValue(page: number): Buffer {
  const value = Buffer.alloc(bucketHeader);
  value.writeBigUInt64LE(BigInt(page));
  return value;
}

/** A pair of two buffers in one. */
export function pairView(key: Buffer, value: Buffer): PairView {
  const bytes = Buffer.concat([key, value]);
  return { bytes, start: 0, valueStart: key.length, end: bytes.length };
}
