import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CorruptFileError } from '../../../src/etcd-files/corrupt.js';
import { agreementOf } from '../../../src/etcd-files/data-directory/agreement.js';
import {
  replayingDirectory,
  type DataDirectory,
} from '../../../src/etcd-files/data-directory/data-directory.js';
import { openStoppedLog } from '../../../src/etcd-files/data-directory/stopped-log.js';
import { FileWindow } from '../../../src/etcd-files/bbolt/file-window.js';
import { WalReader } from '../../../src/etcd-files/wal/wal-records.js';
import { unpackFixture } from '../../support/unpack.js';
import { allRun, runs } from '../../support/runs.js';

/** Of the killed member whose db file is the furthest behind. */
let folder: string;
let walPath: string;
let log: RecordedLog;

interface RecordedLog {
  /** With some of the zeroes that etcd has preallocated behind it. */
  readonly bytes: Buffer;
  /** Where the records begin, and where the last one ends. */
  readonly starts: readonly number[];
  readonly end: number;
  /** Where the records begin that are not in the db file yet. */
  readonly tail: number;
  readonly lastIndex: bigint;
  /** What the store is when the log ends with an entry, by the entry's index. */
  readonly stores: ReadonlyMap<bigint, string>;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wal-damage-'));
  mkdirSync(join(folder, 'backend'));
  unpackFixture('cluster3-6.12.0/killed/backend-1.tar.gz', join(folder, 'backend'));
  const wal = join(folder, 'backend/etcd/wal');
  walPath = join(
    wal,
    readdirSync(wal).find((name) => name.endsWith('.wal'))!,
  );
  log = readLog();
}, 120_000);

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Each entry of the log counts, be it known as agreed on or not: one that is lost makes a difference. */
function openDirectory(): DataDirectory {
  const stopped = openStoppedLog(join(folder, 'backend/etcd'));
  const all = { ...agreementOf([stopped.member]), upTo: stopped.member.outline.last };
  const replaying = replayingDirectory(stopped, all);
  for (;;) {
    const { done, value } = replaying.next();
    if (done === true) return value;
  }
}

function readLog(): RecordedLog {
  const fd = openSync(walPath, 'r');
  const starts = [...new WalReader().records([new FileWindow(fd, walPath)])].map(({ offset }) => offset);
  closeSync(fd);
  const whole = readFileSync(walPath);
  let end = whole.length;
  while (whole[end - 1] === 0) end -= 1;
  end = Math.ceil(end / 8) * 8;
  const bytes = Buffer.from(whole.subarray(0, end + 32 * 1024));
  const stores = new Map<bigint, string>();
  let tail = end;
  let lastIndex = 0n;
  for (const cut of [end, ...starts.toReversed()]) {
    const { index, store } = outcomeOf(withZeroesFrom(bytes, cut));
    if (index === undefined) break;
    stores.set(index, store);
    tail = cut;
    if (index > lastIndex) lastIndex = index;
  }
  return { bytes, starts, end, tail, lastIndex, stores };
}

function withZeroesFrom(bytes: Buffer, cut: number): Buffer {
  return Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(bytes.length - cut)]);
}

type Outcome =
  | { readonly index: bigint; readonly store: string; readonly torn: number | undefined }
  | { readonly index: undefined; readonly code: string };

/** What is read of a log with these bytes; anything thrown but a refusal fails the test. */
function outcomeOf(bytes: Buffer): Outcome & { readonly store: string } {
  writeFileSync(walPath, bytes);
  try {
    const directory = openDirectory();
    const { toIndex, tornTail } = directory.replayed;
    const store = fingerprintOf(directory);
    directory.close();
    return { index: toIndex, store, torn: tornTail?.offset };
  } catch (error) {
    if (!(error instanceof CorruptFileError)) throw error;
    expect(error.message).toContain(join(folder, 'backend/etcd/wal'));
    return { index: undefined, code: error.code, store: '' };
  }
}

function fingerprintOf(directory: DataDirectory): string {
  const hash = createHash('sha256');
  for (const batch of directory.entries()) {
    for (const { key, value, modRevision, version, lease } of batch) {
      hash
        .update(key)
        .update(value)
        .update(`${modRevision} ${version} ${lease ?? 0n}\n`);
    }
  }
  const leases = directory.leases.map(({ id, ttl }) => `${id} for ${ttl}`).sort();
  return hash.update(`${directory.revision} ${leases.join()}`).digest('hex');
}

type Damage =
  | { readonly kind: 'flip' | 'cut' | 'end' | 'header'; readonly at: number; readonly bit: number }
  | { readonly kind: 'zero'; readonly at: number; readonly length: number }
  | { readonly kind: 'swap'; readonly at: number; readonly other: number; readonly length: number };

function damagesOf({ end, tail, starts }: RecordedLog): fc.Arbitrary<Damage> {
  // Half of them in the part that is replayed, which is the smaller one.
  const at = fc.oneof(fc.integer({ min: tail, max: end - 1 }), fc.integer({ min: 0, max: end - 1 }));
  const bit = fc.nat({ max: 7 });
  // The frame, and the type, which no checksum covers.
  const header = fc
    .tuple(fc.constantFrom(...starts.filter((start) => start >= tail)), fc.nat({ max: 10 }))
    .map(([start, offset]) => start + offset);
  const length = fc.constantFrom(8, 512, 4096);
  return fc.oneof(
    fc.record({ kind: fc.constantFrom('flip' as const, 'cut' as const, 'end' as const), at, bit }),
    fc.record({ kind: fc.constant('header' as const), at: header, bit }),
    fc.record({ kind: fc.constant('zero' as const), at, length }),
    fc.record({ kind: fc.constant('swap' as const), at, other: at, length }),
  );
}

function damaged(bytes: Buffer, damage: Damage): Buffer {
  const copy = Buffer.from(bytes);
  const { at } = damage;
  if ('bit' in damage) {
    if (damage.kind === 'cut') return copy.subarray(0, at);
    if (damage.kind === 'end') return copy.fill(0, at);
    copy[at]! ^= 1 << damage.bit;
    return copy;
  }
  const block = (place: number): number => place - (place % damage.length);
  if (damage.kind === 'zero') return copy.fill(0, block(at), block(at) + damage.length);
  const [first, second] = [block(at), block(damage.other)];
  bytes.copy(copy, first, second, second + damage.length);
  bytes.copy(copy, second, first, first + damage.length);
  return copy;
}

/** Nothing tells a log that ends behind a whole record from one that never had more. */
function endsWhole(bytes: Buffer): boolean {
  let used = bytes.length;
  while (used > 0 && bytes[used - 1] === 0) used -= 1;
  const end = [...log.starts, log.end].find((boundary) => boundary >= used)!;
  return bytes.subarray(0, end).equals(log.bytes.subarray(0, end));
}

test('of a damaged log the longest prefix that is whole is used and named, or it is refused', () => {
  expect(log.stores.size).toBeGreaterThan(50);
  expect(log.lastIndex).toBe(3183n);
  const ends = { whole: 0, named: 0, refused: 0 };
  const property = fc.property(damagesOf(log), (damage) => {
    const bytes = damaged(log.bytes, damage);
    const outcome = outcomeOf(bytes);
    if (outcome.index === undefined) {
      expect(['WAL_CORRUPT', 'WAL_GAP']).toContain(outcome.code);
      ends.refused += 1;
      return;
    }
    expect(outcome.store, `the store at entry ${outcome.index}`).toBe(log.stores.get(outcome.index));
    if (outcome.index === log.lastIndex) ends.whole += 1;
    else {
      if (!endsWhole(bytes)) expect(log.starts, 'where the log is said to end').toContain(outcome.torn);
      ends.named += 1;
    }
  });
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  fc.assert(property, { numRuns: runs(200), seed, endOnFailure: true });
  // A few cases may all end the same way.
  if (allRun) expect(Math.min(ends.named, ends.refused), JSON.stringify(ends)).toBeGreaterThan(10);
}, 300_000);
