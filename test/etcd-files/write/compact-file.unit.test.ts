import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bboltSize, layOutBbolt, pairView, writeBbolt } from '../../../src/etcd-files/write/bbolt-writer.js';
import type { BucketToWrite } from '../../../src/etcd-files/write/bbolt-writer.js';
import { fewestChildren, pageUses, readBuckets } from '../page-account.js';
import type { Buckets } from '../page-account.js';
import { runs } from '../../support/runs.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'compact-file-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function toWrite(buckets: Buckets): BucketToWrite[] {
  return Object.entries(buckets).map(([name, pairs]) => ({
    name: Buffer.from(name, 'latin1'),
    *pairs() {
      for (const [key, value] of pairs)
        yield pairView(Buffer.from(key, 'latin1'), Buffer.from(value, 'latin1'));
    },
  }));
}

/** Writes the file and returns its path; what was laid out must be what is written. */
function write(buckets: Buckets): string {
  const source = toWrite(buckets);
  const laying = layOutBbolt(source);
  let step = laying.next();
  while (step.done !== true) step = laying.next();
  const pieces: Buffer[] = [];
  const writing = writeBbolt(source, step.value);
  let piece = writing.next();
  for (; piece.done !== true; piece = writing.next()) pieces.push(piece.value);
  expect(piece.value).toEqual(step.value);
  const bytes = Buffer.concat(pieces);
  expect(bytes.length).toBe(bboltSize(step.value));
  const path = join(folder, 'compact.db');
  writeFileSync(path, bytes);
  return path;
}

function sorted(pairs: readonly (readonly [string, string])[]): [string, string][] {
  return [...new Map(pairs)].sort(([a], [b]) => (a < b ? -1 : 1));
}

const byteString = (size: fc.SizeForArbitrary, minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength, maxLength, size }).map((bytes) => Buffer.from(bytes).toString('latin1'));

test('what is written is what is read, and every page is in use once', () => {
  const value = fc.oneof(
    byteString('small', 0, 100),
    // Up to a page, about a page, and over several pages.
    fc.integer({ min: 0, max: 14_000 }).map((length) => 'v'.repeat(length)),
  );
  const pairs = fc.array(fc.tuple(byteString('small', 1, 40), value), { maxLength: 120 }).map(sorted);
  // Not digits alone: objects keep such names in an order of their own.
  const name = byteString('xsmall', 0, 8).map((text) => `b${text}`);
  const property = fc.property(fc.dictionary(name, pairs, { maxKeys: 5 }), (named) => {
    const buckets = Object.fromEntries(Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1)));
    const path = write(buckets);
    expect(readBuckets(path)).toEqual(buckets);
    expect(pageUses(path).every((uses) => uses === 1)).toBe(true);
  });
  fc.assert(property, { numRuns: runs(200) });
});

test.each([0, 1, 2, 3, 4, 5, 30, 31, 32, 33, 34, 35, 60, 61, 62, 63, 64, 65, 66, 900, 1000])(
  'a tree of %i leaves has no branch with a single child',
  (leaves) => {
    // Keys of 100 bytes: some 34 leaves to a branch, so that 1,000 leaves have three levels above them.
    const pairs = Array.from({ length: leaves }, (_, i): [string, string] => [
      String(i).padStart(100, '0'),
      'v'.repeat(3500),
    ]);
    const path = write({ key: pairs });
    expect(readBuckets(path)).toEqual({ key: pairs });
    expect(pageUses(path).every((uses) => uses === 1)).toBe(true);
    expect(fewestChildren(path)).toBeGreaterThan(1);
  },
);

test('small pairs fill pages to the brim', () => {
  const pairs = Array.from({ length: 50_000 }, (_, i): [string, string] => [
    String(i).padStart(17, '0'),
    'value',
  ]);
  const path = write({ key: pairs });
  const leaves = Math.ceil(pairs.length / Math.floor((4096 - 16) / (16 + 17 + 5)));
  expect(pageUses(path).length).toBeLessThan(leaves * 1.02 + 5);
});
