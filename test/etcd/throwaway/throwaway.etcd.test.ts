import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startThrowawayEtcd } from '../../../src/etcd/throwaway/throwaway.js';
import { etcdBinaries, etcdVersion, etcdVersions, startEtcd } from '../../support/etcd.js';

const key = Buffer.from('/sensu.io/some/key');
const put = { type: 'put', key, value: Buffer.from('value') } as const;
const only = { start: key, end: Buffer.concat([key, Buffer.of(0)]) };

test.each(etcdVersions)(
  'etcd %s starts, takes a key and is gone with its folder after the stop',
  async (version) => {
    const etcd = await startEtcd({ version, until: 'test' });
    const client = await etcd.connect();
    await client.txn({ writes: [put] });
    expect((await client.status(etcd.endpoint)).version).toBe(version);
    const { pid, dataDir } = etcd.members[0]!;
    await etcd.stop();
    expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
    await expect(stat(dataDir)).rejects.toThrow('ENOENT');
  },
);

test.each(etcdVersions)('etcd %s keeps its keys over SIGTERM and SIGKILL', async (version) => {
  const etcd = await startEtcd({ version, until: 'test' });
  const client = await etcd.connect();
  await client.txn({ writes: [put] });
  const [member] = etcd.members;
  for (const end of ['stop', 'kill'] as const) {
    await member![end]();
    expect(member!.pid).toBeUndefined();
    await member!.start();
    expect((await client.range(only)).entries).toHaveLength(1);
  }
});

test('one member of a dead cluster lives on alone with force-new-cluster, from its data and wal', async () => {
  const etcd = await startEtcd({ members: 3, until: 'test' });
  await (await etcd.connect()).txn({ writes: [put] });
  // In good order while there is still a majority: force-new-cluster drops what the log does not call committed.
  await etcd.members[0]!.stop();
  await Promise.all(etcd.members.map((member) => member.kill()));
  const { dataDir, walDir } = etcd.members[0]!;
  const alone = await startEtcd({
    existing: { dataDir, walDir: walDir! },
    forceNewCluster: true,
    until: 'test',
  });
  const client = await alone.connect();
  expect((await client.range(only)).entries).toHaveLength(1);
  expect(await client.members()).toHaveLength(1);
  await alone.stop();
  expect((await stat(join(dataDir, 'member/snap/db'))).isFile()).toBe(true);
});

test('a member that cannot start says why, and leaves nothing behind', async () => {
  const started = startEtcd({ flags: ['--auth-token=nonsense'], startTimeoutMs: 10_000 });
  await expect(started).rejects.toMatchObject({ code: 'THROWAWAY_ETCD_FAILED', hint: /nonsense|auth/ });
});

test('keys of servers are readable by their owner only', async () => {
  const etcd = await startEtcd({ tls: 'server', until: 'test' });
  const folder = dirname(dirname(etcd.members[0]!.dataDir));
  expect((await stat(join(folder, 'tls/server-key.pem'))).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, 'tls'))).mode & 0o777).toBe(0o700);
});

test('variables named ETCD_ of the shell do not change a throwaway etcd', async () => {
  process.env['ETCD_NAME'] = 'from-the-shell';
  onTestFinished(() => {
    delete process.env['ETCD_NAME'];
  });
  const etcd = await startEtcd({ until: 'test' });
  const client = await etcd.connect();
  expect((await client.members()).map(({ name }) => name)).toEqual(['etcd-1']);
});

test('a program that is missing is named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'no-etcd-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const binaries = { ...etcdBinaries(etcdVersion), etcd: join(folder, 'etcd') };
  await expect(startThrowawayEtcd({ binaries })).rejects.toMatchObject({
    code: 'ETCD_PROGRAM_UNUSABLE',
    message: expect.stringContaining(folder) as string,
  });
});
