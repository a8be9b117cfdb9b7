import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BboltFile } from '../../../src/etcd-files/bbolt/bbolt.js';
import { metaPage, type Meta } from '../../../src/etcd-files/bbolt/meta.js';
import { openBbolt, openSource } from '../../../src/etcd-files/mvcc/store-file.js';
import { BboltWriter } from '../../etcd-files/bbolt-writer.js';
import { found, layerOf, testPath, verifyBytes } from './damaged.js';
import { recordedPath, trailerLength, withTrailer } from './recorded.js';

const path = recordedPath('cluster3-6.12.0');
const whole = readFileSync(path).subarray(0, -trailerLength);
const pageSize = 4096;

/** Where things lie in the snapshot. */
const { meta, branch, leaves, free } = survey();

function survey(): { meta: Meta; branch: number; leaves: number[]; free: number } {
  const opened = openSource(path);
  const db: BboltFile = openBbolt(opened);
  opened.close();
  const root = db.bucket('key')!.root;
  if (!('page' in root)) throw new Error('The bucket key is inline.');
  const roots = [
    db.meta.root,
    ...db.buckets.flatMap((bucket) => ('page' in bucket.root ? bucket.root.page : [])),
  ];
  const used = new Set(roots.flatMap(pagesOf));
  const unused = Array.from({ length: db.meta.highWaterMark }, (_, page) => page).find(
    (page) => page > 1 && !used.has(page),
  )!;
  // The store is large enough for branches below the root; the first of them has many leaves.
  const lowest = childrenOf(root.page)[0]!;
  return { meta: db.meta, branch: lowest, leaves: childrenOf(lowest), free: unused };
}

function childrenOf(page: number): number[] {
  if (whole.readUInt16LE(page * pageSize + 8) !== 1) return [];
  const count = whole.readUInt16LE(page * pageSize + 10);
  return Array.from({ length: count }, (_, i) =>
    Number(whole.readBigUInt64LE(page * pageSize + 16 + i * 16 + 8)),
  );
}

/** A page, those that it runs on into, and all below it. */
function pagesOf(page: number): number[] {
  const overflow = whole.readUInt32LE(page * pageSize + 12);
  const own = Array.from({ length: overflow + 1 }, (_, i) => page + i);
  return [...own, ...childrenOf(page).flatMap(pagesOf)];
}

const at = (page: number, offset = 0): number => page * pageSize + offset;
/** Of an element of a page, all of which have 16 bytes. */
const element = (page: number, i: number, offset = 0): number => at(page, 16 + i * 16 + offset);

type Damage = (bytes: Buffer) => void;

const child = (bytes: Buffer, i: number): bigint => bytes.readBigUInt64LE(element(branch, i, 8));
const setChild = (bytes: Buffer, i: number, page: bigint): void => {
  bytes.writeBigUInt64LE(page, element(branch, i, 8));
};
const firstLeaf = leaves[1]!;

describe('behind a sha256 that fits, a page check', () => {
  it('is content with the snapshot as it was recorded', async () => {
    const verification = await verifyBytes(withTrailer(whole));
    expect(verification).toMatchObject({ ok: true, hashChecked: true, revision: 884n, keys: 768 });
    expect(layerOf(verification, 'pages').counts).toMatchObject({ pages: 183 });
  });

  it.each<readonly [what: string, expected: RegExp, damage: Damage]>([
    [
      'one broken meta page, though the other one works',
      /^page 1: is a meta page that does not have the checksum/,
      (bytes) => (bytes[at(1, 16 + 56)]! ^= 1),
    ],
    [
      'a meta page without its mark',
      /^page 0: is a meta page that does not have the mark/,
      (bytes) => (bytes[at(0, 16)]! ^= 1),
    ],
    [
      'a meta page of an old transaction',
      /^page 1: .* does not follow/,
      (bytes) => void metaPage(1, { ...meta, txid: meta.txid - 5n }).copy(bytes, at(1)),
    ],
    [
      'a page that is another one',
      /: says that it is page 3$/,
      (bytes) => bytes.writeBigUInt64LE(3n, at(firstLeaf)),
    ],
    [
      'a page of no kind',
      /: has the flags 0x8 where a branch or a leaf belongs/,
      (bytes) => bytes.writeUInt16LE(8, at(firstLeaf, 8)),
    ],
    [
      'a page that runs on too far',
      /runs on into page \d+, which is reached already|pages on, of which it needs/,
      (bytes) => bytes.writeUInt32LE(bytes.readUInt32LE(at(firstLeaf, 12)) + 1, at(firstLeaf, 12)),
    ],
    [
      'a page that runs on past the end',
      /past the file's 183 pages/,
      (bytes) => bytes.writeUInt32LE(1000, at(firstLeaf, 12)),
    ],
    [
      'a page that is reached twice',
      /: is reached twice|begins before|behind the next branch/,
      (bytes) => {
        setChild(bytes, 1, child(bytes, 0));
      },
    ],
    [
      'a tree that leads back into itself',
      /: is reached twice/,
      (bytes) => {
        setChild(bytes, 1, BigInt(branch));
      },
    ],
    [
      'a page outside the file',
      /^page 5000: is named by a branch or a bucket, but is outside/,
      (bytes) => {
        setChild(bytes, 1, 5000n);
      },
    ],
    [
      'children that have changed places',
      /begins before the key of its branch|behind the next branch/,
      (bytes) => {
        const first = child(bytes, 1);
        setChild(bytes, 1, child(bytes, 2));
        setChild(bytes, 2, first);
      },
    ],
    [
      'a branch whose keys are out of order',
      /has element \d+ o/,
      (bytes) => {
        const copy = Buffer.from(bytes.subarray(element(branch, 1), element(branch, 2)));
        bytes.copyWithin(element(branch, 1), element(branch, 2), element(branch, 3));
        copy.copy(bytes, element(branch, 2));
      },
    ],
    [
      'an element outside its page',
      /has element 0 outside its bounds/,
      (bytes) => bytes.writeUInt32LE(1 << 20, element(firstLeaf, 0, 8)),
    ],
    [
      'a key that is not in order',
      /has element 1 out of order/,
      (bytes) => {
        // The first key begins with zeroes; the second one shall be below it.
        const key = element(firstLeaf, 0) + bytes.readUInt32LE(element(firstLeaf, 0, 4));
        bytes.fill(0xff, key, key + 8);
      },
    ],
    [
      'a bucket among the keys',
      /has element 0 with the flags 0x1/,
      (bytes) => bytes.writeUInt32LE(1, element(firstLeaf, 0)),
    ],
    ['a leaf without keys', /: is a leaf without keys/, (bytes) => bytes.writeUInt16LE(0, at(firstLeaf, 10))],
    [
      'more keys than the page has room for',
      /is too short for its 60000 elements/,
      (bytes) => bytes.writeUInt16LE(60_000, at(firstLeaf, 10)),
    ],
    [
      'zeroes in place of a page',
      /says that it is page 0/,
      (bytes) => bytes.fill(0, at(firstLeaf), at(firstLeaf + 1)),
    ],
  ])('finds %s', async (_what, expected, damage) => {
    const bytes = Buffer.from(whole);
    damage(bytes);
    const verification = await verifyBytes(withTrailer(bytes));
    expect(verification.ok).toBe(false);
    expect(layerOf(verification, 'trailer').status).toBe('ok');
    expect(found(verification, 'pages').join('\n')).toMatch(new RegExp(expected, 'm'));
  });

  it('goes on with what is beside a broken page, and does not judge by what is missing', async () => {
    const bytes = Buffer.from(whole);
    for (const page of [leaves[0]!, leaves[2]!]) bytes.writeBigUInt64LE(1n, at(page));
    const verification = await verifyBytes(withTrailer(bytes));
    expect(found(verification, 'pages')).toEqual(
      [leaves[0]!, leaves[2]!].map((page) => `page ${page}: says that it is page 1`),
    );
    expect(layerOf(verification, 'mvcc').status).toBe('skipped');
  });

  it('counts what it does not print', async () => {
    const bytes = Buffer.from(whole);
    for (const page of leaves) bytes.writeBigUInt64LE(1n, at(page));
    const layer = layerOf(await verifyBytes(withTrailer(bytes)), 'pages');
    expect(layer.findings).toHaveLength(20);
    expect(layer.found).toBe(leaves.length);
  });

  /** The trap: nothing but a hash over the file covers what no page needs. */
  it('leaves a free page to the sha256', async () => {
    const bytes = Buffer.from(whole);
    bytes[at(free, 2000)]! ^= 1;
    expect((await verifyBytes(withTrailer(bytes))).ok).toBe(true);
    const verification = await verifyBytes(
      Buffer.concat([bytes, readFileSync(path).subarray(-trailerLength)]),
    );
    expect(layerOf(verification, 'trailer').status).toBe('failed');
    // The rest of it is fine, and told to be.
    expect(verification).toMatchObject({ ok: false, revision: 884n, keys: 768 });
  });
});

describe('a file that lists its free pages', () => {
  const freelistPage = 2;

  function listed(change: Damage): Buffer {
    const file = testPath('listed.db');
    const pairs = Array.from({ length: 50 }, (_, i): [Buffer, Buffer] => [
      Buffer.from(`k${String(i).padStart(3, '0')}`),
      Buffer.alloc(100),
    ]);
    new BboltWriter(file, pageSize, 5).bucket('key', pairs).bucket('meta', []).finish();
    const bytes = readFileSync(file);
    change(bytes);
    return bytes;
  }

  const list = (...pages: number[]): Damage => {
    return (bytes) => {
      bytes.writeUInt16LE(pages.length, at(freelistPage, 10));
      for (const [i, page] of pages.entries())
        bytes.writeBigUInt64LE(BigInt(page), at(freelistPage, 16 + i * 8));
    };
  };

  it.each<readonly [what: string, expected: RegExp, damage: Damage]>([
    ['a page in use listed as free', /^page 3: is in use, but listed as free on page 2/, list(3)],
    ['a list that is out of order', /out of order or outside the file/, list(9, 4)],
    ['a page outside the file', /out of order or outside the file/, list(5000)],
    [
      'a list that is no list',
      /is named as the list of free pages, but is none/,
      (bytes) => bytes.writeUInt16LE(2, at(freelistPage, 8)),
    ],
    [
      'a page that is neither reached nor free',
      /: is neither reached nor listed as free/,
      (bytes) => {
        const pages = bytes.length / pageSize;
        const grown = { pageSize, root: pages - 1, highWaterMark: pages, freelist: freelistPage };
        // A root that is the leaf of a small bucket leaves the tree of the other one unreached.
        metaPage(0, { ...grown, txid: 7n }).copy(bytes, 0);
        metaPage(1, { ...grown, txid: 6n }).copy(bytes, pageSize);
        const root = Buffer.from(bytes.subarray(at(pages - 1)));
        root.writeUInt16LE(0, 10);
        root.copy(bytes, at(pages - 1));
      },
    ],
  ])('with %s', async (_what, expected, damage) => {
    const verification = await verifyBytes(withTrailer(listed(damage)));
    expect(found(verification, 'pages').join('\n')).toMatch(new RegExp(expected, 'm'));
  });

  it('as it should be', async () => {
    const verification = await verifyBytes(withTrailer(listed(list())));
    expect(layerOf(verification, 'pages')).toMatchObject({ status: 'ok', counts: { free: 1 } });
  });
});
