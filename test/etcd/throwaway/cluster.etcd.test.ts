import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { unpackFixture } from '../../support/unpack.js';
import { etcdVersions, startEtcd, type RunningEtcd } from '../../support/etcd.js';

async function etcdctl(etcd: RunningEtcd, ...args: string[]): Promise<string> {
  const env = { ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: etcd.endpoints.join(',') };
  return (await promisify(execFile)(etcd.binaries.etcdctl, args, { env })).stdout.trim();
}

test.each(etcdVersions)(
  'three members of etcd %s serve over TLS to whoever trusts their CA',
  async (version) => {
    const etcd = await startEtcd({ version, members: 3, tls: 'server', until: 'test' });
    const client = await etcd.connect();
    await client.txn({ writes: [{ type: 'put', key: Buffer.from('a'), value: Buffer.from('b') }] });
    for (const endpoint of etcd.endpoints) {
      await expect.poll(async () => (await client.status(endpoint)).revision).toBe(2n);
    }
    expect(new Set(etcd.members.map(({ pid }) => pid)).size).toBe(3);
  },
);

test.each(etcdVersions)('etcd %s is the one that its own etcdctl reads and writes', async (version) => {
  const etcd = await startEtcd({ version, until: 'test' });
  await etcdctl(etcd, 'put', '/sensu.io/x', 'value');
  expect(await etcdctl(etcd, 'get', '--print-value-only', '/sensu.io/x')).toBe('value');
  expect(await etcdctl(etcd, 'version')).toContain(`etcdctl version: ${version}`);
});

async function unpackRecorded(): Promise<{ dataDir: string; walDir: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'ferry-recorded-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  unpackFixture('cluster3-6.12.0/stopped/backend-1.tar.gz', folder);
  return { dataDir: join(folder, 'etcd/data'), walDir: join(folder, 'etcd/wal') };
}

const [old, ...newer] = etcdVersions;
const newest = newer.pop()!;

test.each(newer)("a backend's recorded folder starts on etcd %s, all keys in it", async (version) => {
  const existing = await unpackRecorded();
  const etcd = await startEtcd({ version, existing, forceNewCluster: true, until: 'test' });
  const counted = await etcdctl(etcd, 'get', '--prefix', '/sensu.io/', '--count-only', '--write-out=fields');
  expect(counted).toContain('"Count" : 2573');
});

test.each([
  [old!, 'invalid downgrade'],
  [newest, 'unmarshal should never fail'],
])('a folder of Sensu 6.12, which embeds etcd 3.5, is not for etcd %s', async (version, reason) => {
  const started = startEtcd({ version, existing: await unpackRecorded(), forceNewCluster: true });
  await expect(started).rejects.toMatchObject({
    code: 'THROWAWAY_ETCD_FAILED',
    hint: expect.stringContaining(reason) as string,
  });
});

test('a port that somebody has taken is named', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => {
    holder.close();
  });
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const flags = [`--listen-client-urls=http://127.0.0.1:${port}`];
  await expect(startEtcd({ flags })).rejects.toMatchObject({
    code: 'THROWAWAY_ETCD_FAILED',
    message: 'The throwaway etcd etcd-1 ended before it served.',
    hint: expect.stringMatching(new RegExp(`127\\.0\\.0\\.1:${port}.*address already in use`)) as string,
  });
});
