import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openSnapshot } from '../../../src/etcd-files/mvcc/store-file.js';
import type { StoreFile } from '../../../src/etcd-files/mvcc/store-file.js';
import { snapshotStatus } from '../../../src/etcd-files/mvcc/status-hash.js';
import { checkTrailer } from '../../../src/etcd-files/bbolt/trailer.js';
import { asTruth, fixture, hex, readTruth } from '../../support/recorded-truth.js';

const folders = ['single-6.7.5', 'cluster3-6.12.0', 'kitchen-sink-6.12.0'];

function withStore<T>(folder: string, use: (store: StoreFile) => T): T {
  const store = openSnapshot(fixture(`${folder}/snapshot.db`));
  try {
    return use(store);
  } finally {
    store.close();
  }
}

describe.each(folders)('the recorded snapshot %s', (folder) => {
  const truth = readTruth(folder);

  test('holds every key with its revisions, version, lease and value', () => {
    withStore(folder, (store) => {
      const entries = [...store.entries()].flat();
      expect(entries.map((entry, i) => asTruth(entry, truth.keys[i]!))).toEqual(truth.keys);
      expect(store.revision).toBe(BigInt(truth.revision));
      expect(store.totals().keys).toBe(truth.count);
    });
  });

  test('holds every lease with its TTL and its keys', () => {
    withStore(folder, (store) => {
      const heads = [...store.keys()].flat();
      const found = store.leases.map(({ id, ttl }) => ({
        id: hex(id),
        grantedTTL: Number(ttl),
        keys: heads.filter((head) => head.lease === id).map((head) => head.key.toString()),
      }));
      const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
      expect(found.sort(byId)).toEqual([...truth.leases].sort(byId));
    });
  });

  test('has the hash, revision, count and size that etcdutl says', () => {
    const recorded: unknown = JSON.parse(readFileSync(fixture(`${folder}/snapshot.status.json`), 'utf8'));
    const status = snapshotStatus(fixture(`${folder}/snapshot.db`));
    expect({ ...status, revision: Number(status.revision) }).toEqual(recorded);
  });

  test('has a trailer that fits', async () => {
    expect(await checkTrailer(fixture(`${folder}/snapshot.db`))).toMatchObject({ trailer: 'matches' });
  });

  test('gives the keys of a range, and the same keys with and without values', () => {
    withStore(folder, (store) => {
      const all = truth.keys.map(({ key }) => key);
      const start = all[10]!;
      const end = all[30]!;
      const range = { start: Buffer.from(start), end: Buffer.from(end) };
      const wanted = all.filter((key) => key >= start && key < end);
      expect([...store.entries(range)].flat().map(({ key }) => key.toString())).toEqual(wanted);
      expect([...store.keys(range)].flat().map(({ key }) => key.toString())).toEqual(wanted);
    });
  });

  test('is indexed to the same through many small runs on disk', () => {
    withStore(folder, (store) => {
      const spilling = openSnapshot(fixture(`${folder}/snapshot.db`), { runBytes: 4096 });
      expect([...spilling.entries()].flat()).toEqual([...store.entries()].flat());
      expect(spilling.totals()).toEqual(store.totals());
      spilling.close();
    });
  });
});

test('members, versions and who votes are read from a snapshot', () => {
  withStore('cluster3-6.12.0', (store) => {
    expect(store.members.map(({ name }) => name).sort()).toEqual(['backend-1', 'backend-2', 'backend-3']);
    expect(store.members.every(({ id }) => id > 2n ** 53n)).toBe(true);
    expect(store.clusterVersion).toBe('3.5.0');
    expect(store.confState?.voters.toSorted()).toEqual(store.members.map(({ id }) => id).toSorted());
    expect(store.consistentIndex).toBeGreaterThan(0n);
    expect(store.authEnabled).toBe(false);
  });
});
