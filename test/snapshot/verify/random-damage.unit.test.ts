import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyFile } from '../../../src/snapshot/verify/verify.js';
import { silentContext } from '../../support/silent-context.js';
import { archiveOf, recordedPath, recordings, trailerLength, withTrailer } from './recorded.js';
import { runs } from '../../support/runs.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-damage-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

type Damage =
  | { readonly flip: number; readonly bit: number }
  | { readonly keep: number }
  | { readonly swap: number; readonly with: number; readonly length: number }
  | { readonly zero: number; readonly length: number };

const blockLengths = fc.constantFrom(16, 512, 4096);

/** Places are fractions, so that one kind of damage fits a file of any size. */
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

function damagesOf(size: number): fc.Arbitrary<Damage> {
  const at = fc.oneof(
    place.map((part) => Math.floor(part * size)),
    // The ends of a file are where its form is.
    fc.integer({ min: 0, max: Math.min(size, 8192) - 1 }),
    fc.integer({ min: Math.max(0, size - 4096), max: size - 1 }),
  );
  const block = (offset: number, length: number): number => Math.floor(offset / length) * length;
  return fc.oneof(
    fc.record({ flip: at, bit: fc.integer({ min: 0, max: 7 }) }),
    fc.record({ keep: at }),
    fc.tuple(at, at, blockLengths).map(([a, b, length]) => ({
      ...{ swap: block(a, length), with: block(b, length), length },
    })),
    fc.tuple(at, blockLengths).map(([offset, length]) => ({ zero: block(offset, length), length })),
  );
}

function damaged(bytes: Buffer, damage: Damage): Buffer {
  if ('keep' in damage) return bytes.subarray(0, damage.keep);
  const copy = Buffer.from(bytes);
  if ('flip' in damage) copy[damage.flip]! ^= 1 << damage.bit;
  else if ('zero' in damage) copy.fill(0, damage.zero, Math.min(damage.zero + damage.length, copy.length));
  else {
    // The last block may be shorter than the others.
    const length = Math.min(damage.length, bytes.length - Math.max(damage.swap, damage.with));
    bytes.copy(copy, damage.swap, damage.with, damage.with + length);
    bytes.copy(copy, damage.with, damage.swap, damage.swap + length);
  }
  return copy;
}

/** With a seed, which fast-check prints with a failure. Shrinking a thousand runs of files would take long. */
const noShrinking = (all: number): fc.Parameters<[Damage]> => ({ numRuns: runs(all), endOnFailure: true });

async function expectFound(bytes: Buffer, ending: string): Promise<void> {
  const path = join(folder, `damaged${ending}`);
  await fc.assert(
    fc.asyncProperty(damagesOf(bytes.length), async (damage) => {
      const changed = damaged(bytes, damage);
      // Zeroes that are zeroed and equal blocks that change places are no damage.
      fc.pre(!changed.equals(bytes));
      writeFileSync(path, changed);
      const { ok, findings } = await verifyFile(silentContext(), path, { stopEarly: true });
      expect(ok).toBe(false);
      expect(findings.length).toBeGreaterThan(0);
    }),
    noShrinking(1000),
  );
}

describe.each(recordings)('1,000 random damages of %s', (name) => {
  it('are all found in the snapshot', async () => {
    await expectFound(readFileSync(recordedPath(name)), '.db');
  });

  it('are all found in an archive of it', async () => {
    await expectFound(await archiveOf(recordedPath(name)), '.sferry');
  });
});

describe('random damages behind a sha256 that fits', () => {
  /** Not all of them can be found without it. Whatever there is, it is answered, within the time of a test. */
  it.each(recordings)('never crash it and never hang it: %s', async (name) => {
    const bbolt = readFileSync(recordedPath(name)).subarray(0, -trailerLength);
    const path = join(folder, 'resealed.db');
    await fc.assert(
      fc.asyncProperty(damagesOf(bbolt.length), async (damage) => {
        writeFileSync(path, withTrailer(damaged(bbolt, damage)));
        const { layers, ok } = await verifyFile(silentContext(), path);
        expect(layers).toHaveLength(6);
        expect(ok).toBe(layers.every(({ found }) => found === 0));
      }),
      noShrinking(name === 'cluster3-6.12.0' ? 100 : 300),
    );
  });
});
