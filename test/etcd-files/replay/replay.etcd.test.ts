import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { expect, onTestFinished, test } from 'vitest';
import { openDataDirectory } from '../../../src/etcd-files/data-directory/data-directory.js';
import { findHolder } from '../../../src/etcd-files/data-directory/in-use.js';
import type { Finding } from '../../../src/snapshot/verify/layers.js';
import { verifyFile } from '../../../src/snapshot/verify/verify.js';
import { silentContext } from '../../support/silent-context.js';
import { etcdVersions, startEtcd } from '../../support/etcd.js';
import { writeColdSnapshot } from '../cold-writer.js';
import { readBuckets } from '../page-account.js';
import { RandomRequests, send } from './random-requests.js';
import { contentsAtRest, contentsOf } from '../../support/store-contents.js';

/** All revisions that no compaction can have taken away yet, and the leases, byte for byte. */
function recordsOf(path: string, compacted: bigint): { keys: unknown[]; leases: unknown } {
  const { key, lease } = readBuckets(path);
  const isNewer = ([revision]: readonly [string, string]): boolean =>
    Buffer.from(revision, 'latin1').readBigUInt64BE() > compacted;
  return { keys: key!.filter(isNewer), leases: lease };
}

/** What verify finds in a file, but for Sensu: what is in it is none of Sensu's. */
async function faultsOfEtcd(path: string): Promise<readonly Finding[]> {
  const { findings, layers } = await verifyFile(silentContext(), path);
  expect(layers.find(({ layer }) => layer === 'sensu')!.status).not.toBe('skipped');
  return findings.filter(({ layer }) => layer !== 'sensu');
}

test.each(etcdVersions)(
  'what etcd %s was told before it was killed is what it holds again, and what is read at rest',
  async (version) => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const requests = new RandomRequests(seed);
    // With commits to the db file this rare, nearly all of the second part is in the WAL alone.
    const flags = ['--backend-batch-interval=1h', '--backend-batch-limit=1000000'];
    const etcd = await startEtcd({ version, flags, until: 'test' });
    const client = new Etcd3({ hosts: etcd.endpoint });
    onTestFinished(() => {
      client.close();
    });
    const member = etcd.members[0]!;
    await send(client, requests, 150);
    await member.stop();
    await member.start();
    await send(client, requests, 300);
    // A compaction makes etcd commit to the db file; after it there must be something left to replay.
    for (let i = 0; i < 20; i++) await client.kv.put({ key: Buffer.from('/k/last'), value: Buffer.of(i) });
    const told = await contentsOf(client);
    expect(findHolder(member.dataDir)).toMatchObject({ state: 'held', pid: member.pid });
    await member.kill();

    const copy = mkdtempSync(join(tmpdir(), 'killed-etcd-'));
    onTestFinished(() => {
      rmSync(copy, { recursive: true });
    });
    cpSync(member.dataDir, join(copy, basename(member.dataDir)), { recursive: true });
    if (member.walDir !== undefined && dirname(member.walDir) === dirname(member.dataDir)) {
      cpSync(member.walDir, join(copy, basename(member.walDir)), { recursive: true });
    }
    const store = openDataDirectory(join(copy, basename(member.dataDir)));
    const read = contentsAtRest(store);
    expect(store.replayed.entries).toBeGreaterThanOrEqual(20);
    const { compactedRevision } = store;
    store.close();
    const cold = join(copy, 'cold.db');
    writeColdSnapshot(join(copy, basename(member.dataDir)), cold);
    await member.start();
    expect(read, `seed ${seed}`).toEqual(told);
    expect(await contentsOf(client), `etcd itself, seed ${seed}`).toEqual(told);
    const own = join(copy, 'own.db');
    execFileSync(etcd.binaries.etcdctl, [`--endpoints=${etcd.endpoint}`, 'snapshot', 'save', own], {
      env: { ETCDCTL_API: '3' },
      stdio: 'pipe',
    });
    const expected = recordsOf(own, compactedRevision);
    expect(expected.keys.length).toBeGreaterThan(20);
    expect(recordsOf(cold, compactedRevision), `the snapshot, seed ${seed}`).toEqual(expected);
    for (const path of [own, cold]) expect(await faultsOfEtcd(path), `${path}, seed ${seed}`).toEqual([]);
  },
  120_000,
);
