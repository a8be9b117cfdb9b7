import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openSnapshot } from '../../../src/etcd-files/mvcc/store-file.js';
import { snapshotStatus } from '../../../src/etcd-files/mvcc/status-hash.js';
import { checkTrailer } from '../../../src/etcd-files/bbolt/trailer.js';
import { openLiveView } from '../../../src/etcd/live-view.js';
import { etcdBinaries, etcdVersions, startEtcd } from '../../support/etcd.js';
import { writeColdSnapshot } from '../cold-writer.js';
import { pageUses, readBuckets } from '../page-account.js';
import { asTruth, readTruth } from '../../support/recorded-truth.js';
import { unpackFixture } from '../../support/unpack.js';

const members = ['backend-1', 'backend-2', 'backend-3'];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cold-snapshot-'));
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

const snapshotPath = (state: string, member: string): string => join(folder, `${state}-${member}.db`);

/** The snapshot of a recorded member, made once. */
function snapshotOf(state: string, member: string): string {
  const path = snapshotPath(state, member);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    writeColdSnapshot(join(folder, state, member, 'etcd'), path);
  }
  return path;
}

describe.each([
  ['killed', 2982n],
  ['stopped', 3018n],
])('a member that was %s', (state, revision) => {
  const truth = readTruth(`cluster3-6.12.0/${state}`);

  test.each(members)('gives the recorded store on %s', async (member) => {
    const path = snapshotOf(state, member);
    expect(await checkTrailer(path)).toMatchObject({ trailer: 'matches' });
    const store = openSnapshot(path);
    const entries = [...store.entries()].flat();
    expect(store.revision).toBe(revision);
    expect(entries.map((entry, i) => asTruth(entry, truth.keys[i]!))).toEqual(truth.keys);
    store.close();
    expect(pageUses(path).every((uses) => uses === 1)).toBe(true);
  });

  test('gives the same revisions and leases on every member', () => {
    const [first, ...others] = members.map((member) => readBuckets(snapshotOf(state, member)));
    for (const other of others) {
      expect(other['key']).toEqual(first!['key']);
      expect(other['lease']).toEqual(first!['lease']);
    }
  });
});

test('what needs no replay is byte for byte what was there', () => {
  const base = readBuckets(join(folder, 'stopped/backend-1/etcd/data/member/snap/db'));
  const cold = readBuckets(snapshotOf('stopped', 'backend-1'));
  expect(Object.keys(cold)).toEqual(Object.keys(base));
  for (const name of Object.keys(base)) if (name !== 'meta') expect(cold[name]).toEqual(base[name]);
  expect(cold['meta']!.filter(([key]) => !['consistent_index', 'term'].includes(key))).toEqual(
    base['meta']!.filter(([key]) => !['consistent_index', 'term'].includes(key)),
  );
});

test('replay appends to the keys, and notes how far it came', () => {
  const base = readBuckets(join(folder, 'killed/backend-1/etcd/data/member/snap/db'));
  const cold = readBuckets(snapshotOf('killed', 'backend-1'));
  expect(cold['key']!.slice(0, base['key']!.length)).toEqual(base['key']);
  expect(cold['key']!.length).toBeGreaterThan(base['key']!.length);
  const meta = new Map(cold['meta']);
  expect(Buffer.from(meta.get('consistent_index')!, 'latin1').readBigUInt64BE()).toBe(3182n);
});

describe.each(etcdVersions)('etcd %s', (version) => {
  const { etcdctl, etcdutl } = etcdBinaries(version);
  const tool = etcdutl ?? etcdctl;
  const run = (...args: string[]): string =>
    execFileSync(tool, args, { env: { ETCDCTL_API: '3' }, stdio: 'pipe', timeout: 60_000 }).toString();

  test('says of a cold snapshot what is said here', () => {
    const path = snapshotOf('killed', 'backend-2');
    const { hash, revision, totalKey, totalSize } = snapshotStatus(path);
    const said = JSON.parse(run('snapshot', 'status', path, '--write-out=json')) as object;
    expect(said).toMatchObject({ revision: Number(revision), totalSize });
    // 3.4 sums up otherwise, and it and those from 3.6 on count otherwise.
    if (etcdutl) expect(said).toMatchObject({ hash });
    if (version.startsWith('3.5.')) expect(said).toMatchObject({ totalKey });
  });

  test.each([
    ['killed', 2982n],
    ['stopped', 3018n],
  ])('restores a %s member and serves exactly its keys', async (state, revision) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'cold-restored-'));
    onTestFinished(() => {
      rmSync(dataDir, { recursive: true });
    });
    const existing = { dataDir: join(dataDir, 'data') };
    run('snapshot', 'restore', snapshotOf(state, 'backend-3'), `--data-dir=${existing.dataDir}`);
    const etcd = await startEtcd({ version, existing, forceNewCluster: true, until: 'test' });
    const view = await openLiveView(await etcd.connect());
    const truth = readTruth(`cluster3-6.12.0/${state}`);
    const entries = [];
    for await (const batch of view.entries()) entries.push(...batch);
    expect(entries.map((entry, i) => asTruth(entry, truth.keys[i]!))).toEqual(truth.keys);
    expect(view.revision).toBeGreaterThanOrEqual(revision);
    expect((await view.leases()).length).toBe(openLeases(snapshotPath(state, 'backend-3')));
  });
});

function openLeases(path: string): number {
  const store = openSnapshot(path);
  const { length } = store.leases;
  store.close();
  return length;
}
