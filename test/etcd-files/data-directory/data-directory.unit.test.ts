import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDataDirectory } from '../../../src/etcd-files/data-directory/data-directory.js';
import { openSnapshot } from '../../../src/etcd-files/mvcc/store-file.js';
import { asTruth, hex, readTruth } from '../../support/recorded-truth.js';
import { unpackFixture } from '../../support/unpack.js';

const members = ['backend-1', 'backend-2', 'backend-3'];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'data-directory-'));
  for (const state of ['killed', 'stopped']) {
    for (const member of members) {
      const target = join(folder, state, member);
      mkdirSync(target, { recursive: true });
      unpackFixture(`cluster3-6.12.0/${state}/${member}.tar.gz`, target);
    }
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe.each(['killed', 'stopped'])('a cluster that was %s', (state) => {
  const truth = readTruth(`cluster3-6.12.0/${state}`);

  test.each(members)('holds the recorded store on %s', (member) => {
    const store = openDataDirectory(join(folder, state, member, 'etcd'));
    const entries = [...store.entries()].flat();
    expect(store.revision).toBe(BigInt(truth.revision_after_wal_replay));
    expect(entries.map((entry, i) => asTruth(entry, truth.keys[i]!))).toEqual(truth.keys);
    const heads = entries.map(({ key, modRevision, lease }) => ({ key, modRevision, lease }));
    expect([...store.keys()].flat()).toEqual(heads);
    expect(store.totals().keys).toBe(truth.count);
    store.close();
  });
});

describe('a member that was killed', () => {
  const revisions = { 'backend-1': 2927n, 'backend-2': 2961n, 'backend-3': 2956n };

  test.each(Object.entries(revisions))('has lost writes in the db file of %s', (member, revision) => {
    const store = openDataDirectory(join(folder, 'killed', member, 'etcd'));
    const db = openSnapshot(join(folder, 'killed', member, 'etcd/data/member/snap/db'));
    expect(db.revision).toBe(revision);
    expect(store.dbRevision).toBe(revision);
    expect(store.replayed.entries).toBe(Number(3182n - db.consistentIndex!));
    expect(store.replayed).toMatchObject({ toIndex: 3182n, tornTail: undefined });
    // The entry that all three have in their logs, and none knew to be agreed on.
    expect(store.replayed).toMatchObject({ beyondCommit: { entries: 1, applied: false }, leftOut: 1 });
    expect(store.agreement).toMatchObject({ doubt: 'few-voters', voters: { all: 3, given: 1 } });
    db.close();
    store.close();
  });

  test('is the same store on every member, field for field', () => {
    const like = readTruth('single-6.7.5').keys[0]!;
    const [first, ...others] = members.map((member) => {
      const store = openDataDirectory(join(folder, 'killed', member, 'etcd'));
      const entries = [...store.entries()].flat().map((entry) => JSON.stringify(asTruth(entry, like)));
      const leases = store.leases.map(({ id, ttl }) => `${hex(id)} for ${ttl} s`).sort();
      store.close();
      return [...entries, ...leases].join('\n');
    });
    for (const other of others) expect(other === first).toBe(true);
  });

  test.each([
    [5, 40],
    [900, 2500],
    [2400, 2568],
  ])('gives keys %i to %i as part of the whole', (from, to) => {
    const store = openDataDirectory(join(folder, 'killed/backend-2/etcd'));
    const all = [...store.entries()].flat().map(({ key }) => key);
    const range = { start: all[from]!, end: all[to]! };
    const within = all.slice(from, to).map(String);
    expect([...store.entries(range)].flat().map(({ key }) => key.toString())).toEqual(within);
    expect([...store.keys(range)].flat().map(({ key }) => key.toString())).toEqual(within);
    store.close();
  });
});
