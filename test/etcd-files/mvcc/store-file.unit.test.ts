import {
  mkdtempSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CorruptFileError } from '../../../src/etcd-files/corrupt.js';
import { snapshotStatus } from '../../../src/etcd-files/mvcc/status-hash.js';
import { openSnapshot } from '../../../src/etcd-files/mvcc/store-file.js';
import type { StoreFile } from '../../../src/etcd-files/mvcc/store-file.js';
import { checkTrailer } from '../../../src/etcd-files/bbolt/trailer.js';
import { BboltWriter } from '../bbolt-writer.js';
import { ModelStore } from '../model.js';
import { revisionBytes, writeStore } from '../../support/store-writer.js';
import { fixture } from '../../support/recorded-truth.js';
import { allRun, runs } from '../../support/runs.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-file-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Keys that are alike, nested in each other, and of any bytes: few enough that they are written again. */
const keys = fc.oneof(
  fc.integer({ min: 0, max: 30 }).map((n) => `/sensu.io/events/default/host-${n.toString(2)}`),
  fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\xff'), minLength: 1, maxLength: 4 }),
);
const values = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 1000, max: 20_000 }).map((length) => Buffer.alloc(length, length % 251)),
);
const write = fc.record({ key: keys, value: values, lease: fc.bigInt(0n, 3n), remove: fc.boolean() });
const history = fc.array(fc.array(write, { minLength: 1, maxLength: 5 }), { maxLength: 60 });

function modelOf(
  transactions: readonly (readonly { key: string; value: Buffer; lease: bigint; remove: boolean }[])[],
): ModelStore {
  const model = new ModelStore();
  for (const writes of transactions) {
    model.transact((txn) => {
      for (const { key, value, lease, remove } of writes) {
        if (remove) txn.delete(key);
        else txn.put(key, value, lease);
      }
    });
  }
  return model;
}

function found(store: StoreFile): unknown[] {
  return [...store.entries()]
    .flat()
    .map(({ key, value, createRevision, modRevision, version, lease }) => [
      key.toString('latin1'),
      value.toString('latin1'),
      [createRevision, modRevision, version, lease ?? 0n].join(' '),
    ]);
}

function wanted(model: ModelStore): unknown[] {
  return model
    .sorted()
    .map(([key, { value, createRevision, modRevision, version, lease }]) => [
      key,
      value.toString('latin1'),
      [createRevision, modRevision, version, lease].join(' '),
    ]);
}

describe('a store of any shape', () => {
  test('has the live keys that its history leaves', () => {
    const shape = fc.record({
      pageSize: fc.constantFrom(1024, 4096, 16_384, 65_536),
      fill: fc.constantFrom(2, 3, 50),
      runBytes: fc.constantFrom(undefined, 40, 256, 4096),
    });
    const property = fc.property(history, shape, (transactions, { pageSize, fill, runBytes }) => {
      const path = join(folder, 'any-shape.db');
      const model = modelOf(transactions);
      writeStore(path, { records: model.records, pageSize, fill });
      const store = openSnapshot(path, runBytes === undefined ? {} : { runBytes });
      try {
        expect(found(store)).toEqual(wanted(model));
        expect(store.revision).toBe(model.revision);
        expect(store.totals()).toEqual({ keys: model.live.size, records: model.records.length });
      } finally {
        store.close();
      }
    });
    fc.assert(property, { numRuns: runs(150) });
  });

  test('gives the keys of any range', () => {
    const property = fc.property(
      history,
      keys,
      fc.option(keys),
      fc.boolean(),
      (transactions, start, end, disk) => {
        const path = join(folder, 'range.db');
        const model = modelOf(transactions);
        writeStore(path, { records: model.records });
        const store = openSnapshot(path, disk ? { runBytes: 1024 } : {});
        const from = Buffer.from(start, 'latin1');
        const range = end === null ? { start: from } : { start: from, end: Buffer.from(end, 'latin1') };
        const within = model.sorted().filter(([key]) => key >= start && (end === null || key < end));
        try {
          const heads = [...store.keys(range)].flat();
          expect(heads.map(({ key }) => key.toString('latin1'))).toEqual(within.map(([key]) => key));
          expect([...store.entries(range)].flat().map(({ modRevision }) => modRevision)).toEqual(
            within.map(([, { modRevision }]) => modRevision),
          );
        } finally {
          store.close();
        }
      },
    );
    fc.assert(property, { numRuns: runs(100) });
  });

  test('keeps batches at 1,000 keys and about a mebibyte', () => {
    const path = join(folder, 'batches.db');
    const model = new ModelStore();
    for (let i = 0; i < 2500; i++) {
      model.transact((txn) => {
        txn.put(`/key/${i}`, Buffer.alloc(i % 100 === 0 ? 300_000 : 10), 0n);
      });
    }
    writeStore(path, { records: model.records });
    const store = openSnapshot(path);
    const batches = [...store.entries()];
    for (const batch of batches) {
      expect(batch.length).toBeLessThanOrEqual(1000);
      expect(batch.reduce((sum, { value }) => sum + value.length, 0)).toBeLessThanOrEqual(1024 * 1024);
    }
    expect(batches.flat().length).toBe(2500);
    store.close();
  });

  test('takes the revision compacted to when that is the newest', () => {
    const path = join(folder, 'compacted.db');
    const records = modelOf([[{ key: 'a', value: Buffer.from('1'), lease: 0n, remove: false }]]).records;
    const meta = { finishedCompactRev: revisionBytes(7n, 0n), scheduledCompactRev: revisionBytes(9n, 0n) };
    writeStore(path, { records, meta });
    const store = openSnapshot(path);
    expect([store.revision, store.compactedRevision]).toEqual([9n, 9n]);
    store.close();
  });

  test('keeps 64-bit numbers whole', () => {
    const path = join(folder, 'large-numbers.db');
    const main = 2n ** 62n + 1n;
    const lease = 0x7d7ba205e8aac98cn;
    const put = { value: Buffer.from('v'), createRevision: main - 1n, version: 2n ** 40n + 1n, lease };
    const voters = [2n ** 64n - 1n, 1514788396788848948n];
    writeStore(path, {
      records: [{ main, sub: 0n, key: Buffer.from('k'), put }],
      leases: [{ id: lease, ttl: 2n ** 33n }],
      voters,
    });
    const store = openSnapshot(path);
    expect(store.revision).toBe(main);
    expect([...store.entries()].flat()[0]).toMatchObject({ ...put, modRevision: main });
    expect([...store.keys()].flat()[0]).toMatchObject({ modRevision: main, lease });
    expect(store.leases).toEqual([{ id: lease, ttl: 2n ** 33n }]);
    expect(store.confState?.voters).toEqual(voters);
    store.close();
  });
});

describe('what is not a whole store', () => {
  const snapshot = fixture('kitchen-sink-6.12.0/snapshot.db');

  function codeOf(path: string, read: (path: string) => unknown = readAll): string {
    try {
      read(path);
    } catch (error) {
      if (error instanceof CorruptFileError) return error.code;
      throw error;
    }
    return 'none';
  }

  function fileOf(bytes: Buffer): string {
    const path = join(folder, 'broken.db');
    writeFileSync(path, bytes);
    return path;
  }

  test('is told apart', () => {
    const whole = readFileSync(snapshot);
    expect(codeOf(fileOf(whole))).toBe('none');
    expect(codeOf(fileOf(whole.subarray(0, -32)))).toBe('none');
    expect(codeOf(fileOf(Buffer.alloc(0)))).toBe('EMPTY_FILE');
    expect(codeOf(fileOf(Buffer.from('hello')))).toBe('NOT_BBOLT');
    expect(codeOf(fileOf(Buffer.alloc(100_000)))).toBe('NOT_BBOLT');
    expect(codeOf(fileOf(whole.subarray(0, 40_000)))).toBe('SNAPSHOT_TRUNCATED');
    expect(codeOf(fileOf(whole.subarray(0, 8192)))).toBe('SNAPSHOT_TRUNCATED');
  });

  test('is read by the other meta page when the first is destroyed', () => {
    const path = join(folder, 'second-meta.db');
    writeStore(path, {
      records: modelOf([[{ key: 'a', value: Buffer.from('1'), lease: 0n, remove: false }]]).records,
    });
    const bytes = readFileSync(path);
    bytes.fill(0xff, 0, 100);
    writeFileSync(path, bytes);
    const store = openSnapshot(path);
    expect(store.totals().keys).toBe(1);
    store.close();
  });

  test('is no store when it is the bbolt file of another program', () => {
    const path = join(folder, 'other.db');
    new BboltWriter(path).bucket('other', [[Buffer.from('a'), Buffer.from('b')]]).finish();
    expect(codeOf(path)).toBe('NOT_AN_ETCD_STORE');
  });

  test('is a tree that leads back into itself: an error, not an endless walk', () => {
    const path = join(folder, 'cycle.db');
    const records = modelOf(
      Array.from({ length: 40 }, (_, i) => [
        { key: `k${i}`, value: Buffer.from('1'), lease: 0n, remove: false },
      ]),
    ).records;
    writeStore(path, { records, fill: 3 });
    const bytes = readFileSync(path);
    // Every branch page is given itself, or the branch before it, as its last child.
    for (let page = 3; page * 4096 < bytes.length; page++) {
      const at = page * 4096;
      if (bytes.readUInt16LE(at + 8) !== 1) continue;
      const last = at + 16 + (bytes.readUInt16LE(at + 10) - 1) * 16;
      bytes.writeBigUInt64LE(BigInt(page), last + 8);
    }
    writeFileSync(path, bytes);
    expect(codeOf(path)).toBe('PAGE_CORRUPT');
  });

  test('is known by its trailer', async () => {
    const whole = readFileSync(snapshot);
    const codeOfTrailer = async (bytes: Buffer): Promise<string> => {
      try {
        return (await checkTrailer(fileOf(bytes))).trailer;
      } catch (error) {
        if (error instanceof CorruptFileError) return error.code;
        throw error;
      }
    };
    const flipped = Buffer.from(whole);
    flipped[30_000]! ^= 1;
    expect(await codeOfTrailer(whole)).toBe('matches');
    expect(await codeOfTrailer(flipped)).toBe('TRAILER_MISMATCH');
    expect(await codeOfTrailer(whole.subarray(0, -32))).toBe('absent');
    expect(await codeOfTrailer(whole.subarray(0, -7))).toBe('SNAPSHOT_TRUNCATED');
    expect(await codeOfTrailer(Buffer.alloc(0))).toBe('EMPTY_FILE');
    const sum = createHash('sha256').update(whole.subarray(0, -32)).digest('hex');
    expect(await checkTrailer(fileOf(whole))).toEqual({ trailer: 'matches', sha256: sum });
  });

  test('is noticed when it shrinks or changes under the reader', () => {
    const path = fileOf(readFileSync(snapshot));
    const store = openSnapshot(path);
    expect(store.totals().keys).toBe(63);
    const bytes = readFileSync(path);
    bytes.fill(0x41, 8192);
    writeFileSync(path, bytes);
    expect(codeOf(path, () => [...store.entries()])).toBe('RECORD_CORRUPT');
    truncateSync(path, 8192);
    expect(codeOf(path, () => [...store.entries()])).toBe('FILE_CHANGED');
    store.close();
  });

  test('never gives anything but a whole answer or a CorruptFileError, whatever the damage', () => {
    const path = join(folder, 'damaged.db');
    const deep = join(folder, 'deep.db');
    const model = modelOf(
      Array.from({ length: 300 }, (_, i) => [
        {
          key: `/k/${i % 70}`,
          value: Buffer.alloc((i % 7) * 700, i),
          lease: BigInt(i % 3),
          remove: i % 5 === 4,
        },
      ]),
    );
    writeStore(deep, { records: model.records, fill: 6, leases: [{ id: 1n, ttl: 60n }], voters: [1n] });
    const sources = [
      readFileSync(snapshot),
      readFileSync(fixture('single-6.7.5/snapshot.db')),
      readFileSync(deep),
    ];
    const damage = fc.record({
      source: fc.nat({ max: sources.length - 1 }),
      edits: fc.array(
        fc.record({
          // Per mille of the file's length, as is the cut: doubles would be next to 0 most of the time.
          at: fc.nat({ max: 999 }),
          // Half of the damage goes to the first bytes of a page, where headers and elements are.
          inHeader: fc.boolean(),
          kind: fc.constantFrom('flip', 'zero', 'ones', 'copy-page'),
          length: fc.integer({ min: 1, max: 64 }),
        }),
        { minLength: 1, maxLength: 6 },
      ),
      cut: fc.oneof(
        { weight: 5, arbitrary: fc.constant(1000) },
        { weight: 1, arbitrary: fc.nat({ max: 999 }) },
      ),
    });
    const seen = new Map<string, number>();
    const property = fc.property(damage, ({ source, edits, cut }) => {
      const bytes = Buffer.from(sources[source]!);
      for (const { at, inHeader, kind, length } of edits) damageAt(bytes, at / 1000, inHeader, kind, length);
      writeFileSync(path, bytes.subarray(0, Math.floor((bytes.length * cut) / 1000)));
      const started = performance.now();
      const code = codeOf(path);
      expect(performance.now() - started).toBeLessThan(5000);
      seen.set(code, (seen.get(code) ?? 0) + 1);
    });
    fc.assert(property, { numRuns: runs(600) });
    // The damage reaches deep enough to be of use: pages, records and the file's end.
    const wanted = allRun
      ? ['none', 'PAGE_CORRUPT', 'RECORD_CORRUPT', 'SNAPSHOT_TRUNCATED']
      : ['PAGE_CORRUPT'];
    expect([...seen.keys()]).toEqual(expect.arrayContaining(wanted));
  });

  function damageAt(bytes: Buffer, where: number, inHeader: boolean, kind: string, length: number): void {
    const pageStart = Math.floor((where * bytes.length) / 4096) * 4096;
    const at = inHeader ? pageStart + (length % 64) : Math.floor(where * bytes.length);
    if (at >= bytes.length) return;
    if (kind === 'flip') bytes[at]! ^= 1 << (length % 8);
    else if (kind === 'zero') bytes.fill(0, at, Math.min(at + length, bytes.length));
    else if (kind === 'ones') bytes.fill(0xff, at, Math.min(at + length, bytes.length));
    else bytes.copy(bytes, pageStart, 2 * 4096 + ((length * 4096) % Math.max(4096, bytes.length - 12_288)));
  }

  function readAll(path: string): void {
    snapshotStatus(path);
    const store = openSnapshot(path);
    try {
      let count = 0;
      for (const batch of store.entries()) count += batch.length;
      expect(count).toBe(store.totals().keys);
    } finally {
      store.close();
    }
  }
});

test('an index that does not fit into memory has no name on disk, as key names can be secrets', () => {
  const path = join(folder, 'spilled.db');
  const tempDirectory = mkdtempSync(join(folder, 'temporary-'));
  const model = new ModelStore();
  for (let i = 0; i < 3000; i++) {
    model.transact((txn) => {
      txn.put(`/sensu.io/apikeys/${i * 7919}`, Buffer.from('value'), 0n);
    });
  }
  writeStore(path, { records: model.records });
  const store = openSnapshot(path, { tempDirectory, runBytes: 20_000 });
  let count = 0;
  for (const batch of store.entries()) {
    expect(readdirSync(tempDirectory)).toEqual([]);
    count += batch.length;
  }
  expect(count).toBe(3000);
  store.close();
});

test('indexing can be watched and broken off', () => {
  const path = join(folder, 'watched.db');
  const model = new ModelStore();
  for (let i = 0; i < 3000; i++) {
    model.transact((txn) => {
      txn.put(`/key/${i}`, Buffer.alloc(2000), 0n);
    });
  }
  writeStore(path, { records: model.records });
  const store = openSnapshot(path);
  const first = store.indexing().next();
  expect(first).toMatchObject({ done: false });
  for (const { bytesRead, recordsRead } of store.indexing()) {
    expect(bytesRead).toBeLessThanOrEqual(store.dbSize);
    expect(recordsRead).toBeLessThanOrEqual(3000);
    break;
  }
  expect(store.totals().keys).toBe(3000);
  expect([...store.indexing()]).toEqual([]);
  store.close();
});

test('a file that is open already is read and left open', () => {
  const fd = openSync(fixture('single-6.7.5/snapshot.db'), 'r');
  const store = openSnapshot({ fd, path: 'from elsewhere' });
  expect(store.totals().keys).toBe(63);
  store.close();
  const again = openSnapshot({ fd, path: 'from elsewhere' });
  expect(again.path).toBe('from elsewhere');
  again.close();
  closeSync(fd);
});
