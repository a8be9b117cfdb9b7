import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { expect, onTestFinished, test } from 'vitest';
import { findHolder, openDataDirectory } from '../../src/bolt/data-directory.js';
import type { DataDirectory } from '../../src/bolt/data-directory.js';
import type { Finding } from '../../src/snapshot/verify/layers.js';
import { verifyFile } from '../../src/snapshot/verify/verify.js';
import { silentContext } from '../restore/silent-context.js';
import { etcdVersions, startEtcd } from '../support/etcd.js';
import { writeColdSnapshot } from './cold-writer.js';
import { readBuckets } from './page-account.js';
import { RandomRequests } from './random-requests.js';

/** What a store holds, as text: a difference is then readable. */
interface Contents {
  readonly revision: string;
  readonly keys: readonly string[];
  readonly leases: readonly string[];
}

/** Refused requests are part of the game; what counts is what etcd makes of them in the end. */
async function send(client: Etcd3, requests: RandomRequests, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { call, body } = requests.next();
    const service = call === 'leaseGrant' || call === 'leaseRevoke' ? client.leaseClient : client.kv;
    const method = (service as unknown as Record<string, (body: object) => Promise<unknown>>)[call]!;
    await method.call(service, body).catch((error: unknown) => {
      if (!/etcdserver: |mvcc: /.test(String(error))) throw error;
    });
  }
}

async function contentsOf(client: Etcd3): Promise<Contents> {
  const everything = { key: Buffer.of(0), range_end: Buffer.of(0) };
  const { kvs, header } = await client.kv.range(everything);
  const leases: string[] = [];
  for (const { ID } of (await client.leaseClient.leaseLeases()).leases) {
    const { grantedTTL } = await client.leaseClient.leaseTimeToLive({ ID });
    leases.push(`${ID} for ${grantedTTL} s`);
  }
  return {
    revision: header.revision,
    keys: kvs.map(({ key, value, create_revision, mod_revision, version, lease }) =>
      [key, value, create_revision, mod_revision, version, lease].join(' '),
    ),
    leases: leases.sort(),
  };
}

function contentsAtRest(store: DataDirectory): Contents {
  return {
    revision: store.revision.toString(),
    keys: [...store.entries()]
      .flat()
      .map(({ key, value, createRevision, modRevision, version, lease = 0n }) =>
        [key, value, createRevision, modRevision, version, lease].join(' '),
      ),
    leases: store.leases.map(({ id, ttl }) => `${id} for ${ttl} s`).sort(),
  };
}

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
