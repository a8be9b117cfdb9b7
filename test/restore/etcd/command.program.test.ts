import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../src/etcd/client.js';
import { sensuRoot } from '../../../src/store/sensu-root.js';
import { enableAuth, startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { expectTruth, snapshotOf, truthOf } from './truth.js';

const program = new URL('../../../dist/cli/main.js', import.meta.url).pathname;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built program as a user does: without a terminal, with nothing in the environment but PATH. */
async function ferry(
  args: readonly string[],
  options: { readonly interruptAt?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [program, 'restore', 'etcd', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...options.env, ...interrupting(options.interruptAt) },
    timeout: 120_000,
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** Lets the program interrupt itself when it says so. */
function interrupting(at: string | undefined): Record<string, string> {
  const preload = new URL('../../support/self-interrupt.mjs', import.meta.url).href;
  return at === undefined ? {} : { NODE_OPTIONS: `--import=${preload}`, INTERRUPT_AT: at };
}

const cluster3 = snapshotOf('cluster3-6.12.0');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-restore-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('restore etcd', () => {
  it('shows the plan and changes nothing; restores with --yes; reports as JSON', async () => {
    const etcd = await startEtcd({ until: 'test' });
    const client = await etcd.connect();
    const args = ['--from', cluster3, '--endpoints', etcd.endpoint];
    const plan = await ferry([...args, '--plan']);
    expect(plan).toMatchObject({ code: 0, stderr: '' });
    expect(plan.stdout).toContain('768 keys (17 of them ephemeral)');
    expect(plan.stdout).toContain('holds nothing of this part yet');
    // While --hold-leases can still be added.
    expect(plan.stdout).toMatch(/^17 leases will run out unless .* --hold-leases 15m/m);
    const unasked = await ferry(args);
    expect(unasked).toMatchObject({ code: 2, stdout: '' });
    expect(unasked.stderr).toContain('CONFIRMATION_MISSING');
    expect((await client.range({ ...sensuRoot, countOnly: true })).revision).toBe(1n);

    const done = await ferry([...args, '--yes', '--json']);
    expect(done.code).toBe(0);
    const report = JSON.parse(done.stdout) as Record<string, unknown> & { digest: Record<string, unknown> };
    expect(report).toMatchObject({ keys: 768, written: 768, leases: 17, firstLeaseEndsAfterSeconds: 10 });
    expect(report.digest['source']).toEqual(report.digest['target']);
    await expectTruth(client, truthOf('cluster3-6.12.0'));
  });

  it('restores one namespace, then a prefix, then all the rest', async () => {
    const etcd = await startEtcd({ until: 'test' });
    const client = await etcd.connect();
    const args = ['--from', cluster3, '--endpoints', etcd.endpoint, '--yes', '--json'];
    const wanted = truthOf('cluster3-6.12.0').keys;
    const inNamespace = wanted.filter(({ key }) =>
      /^\/sensu\.io\/(namespaces\/production$|(rbac\/)?[^/]+\/production\/|(keepalives|switchsets)\/[^/]+\/production\/)/.test(
        key,
      ),
    );
    expect(inNamespace.length).toBeGreaterThan(0);
    expect((await ferry([...args, '--namespace', 'production', '--exclude-ephemeral'])).code).toBe(0);
    const { entries } = await client.range(sensuRoot);
    expect(entries.map(({ key }) => String(key))).toEqual(
      inNamespace.filter(({ lease }) => lease === null).map(({ key }) => key),
    );
    expect(await client.leaseIds()).toEqual([]);

    const rings = await ferry([...args, '--prefix', '/sensu.io/rings/']);
    expect(JSON.parse(rings.stdout)).toMatchObject({
      keys: wanted.filter(({ key }) => key.startsWith('/sensu.io/rings/')).length,
    });
    expect((await ferry(args)).code).toBe(0);
    await expectTruth(client, truthOf('cluster3-6.12.0'));
  });

  it('stops at Ctrl-C with 130, and goes on the next time', async () => {
    const etcd = await startEtcd({ until: 'test' });
    const client = await etcd.connect();
    const args = ['--from', cluster3, '--endpoints', etcd.endpoint, '--yes'];
    const stopped = await ferry([...args, '--progress', 'json'], { interruptAt: '"Loading"' });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('Run the same command again');
    expect((await ferry(args)).code).toBe(0);
    await expectTruth(client, truthOf('cluster3-6.12.0'));
  });

  it('logs in with a password from a file or the environment, and never shows it', async () => {
    const etcd = await startEtcd({ tls: 'server', until: 'test' });
    const password = (await enableAuth(etcd, 'hunter2-of-root')).password;
    const [ca, file] = [join(folder, 'ca.pem'), join(folder, 'password')];
    await writeFile(ca, etcd.tls!.ca!);
    await writeFile(file, `${password}\n`, { mode: 0o600 });
    const args = ['--from', cluster3, '--endpoints', etcd.endpoint, '--cacert', ca, '--yes'];
    const wrong = await ferry([...args, '--user', 'root'], { env: { ETCDCTL_PASSWORD: 'not-the-password' } });
    expect(wrong.code).toBe(12);
    expect(wrong.stderr).not.toContain('not-the-password');
    const none = await ferry(args);
    expect(none.code).toBe(12);
    const right = await ferry([...args, '--user', 'root', '--password-file', file]);
    expect(right.code).toBe(0);
    expect(right.stdout + right.stderr).not.toContain(password);
  });
});

describe('restore etcd refuses', () => {
  let etcd: RunningEtcd;
  let client: EtcdClient;

  beforeAll(async () => {
    etcd = await startEtcd();
    client = await etcd.connect();
  });

  afterAll(() => etcd.stop());

  async function refused(
    from: string,
    code: number,
    name: string,
    more: readonly string[] = [],
  ): Promise<Ended> {
    const { revision } = await client.range({ ...sensuRoot, countOnly: true });
    const ended = await ferry(['--from', from, '--endpoints', etcd.endpoint, '--yes', ...more]);
    expect(ended.stderr).toContain(`[${name}]`);
    expect(ended.stderr).toContain('hint: ');
    expect(ended).toMatchObject({ code, stdout: '' });
    expect((await client.range({ ...sensuRoot, countOnly: true })).revision).toBe(revision);
    expect(await client.leaseIds()).toEqual([]);
    return ended;
  }

  it('a snapshot that was cut short', async () => {
    const cut = join(folder, 'cut.db');
    await copyFile(cluster3, cut);
    await truncate(cut, 100_000);
    await refused(cut, 13, 'SNAPSHOT_TRUNCATED');
  });

  it('a file that is no snapshot, an empty one, and none', async () => {
    const other = join(folder, 'other');
    await writeFile(other, 'nothing of the kind.'.repeat(1024));
    await refused(other, 10, 'NOT_BBOLT');
    await writeFile(join(folder, 'empty'), '');
    await refused(join(folder, 'empty'), 10, 'EMPTY_FILE');
    await refused(join(folder, 'absent'), 10, 'SOURCE_UNREADABLE');
  });

  it('a part that holds nothing, and a prefix of other programs', async () => {
    await refused(cluster3, 10, 'NOTHING_TO_RESTORE', ['--namespace', 'no-such-namespace']);
    await refused(cluster3, 2, 'PREFIX_OUTSIDE_SENSU', ['--prefix', '/other/']);
  });

  it('a target with another store, whose secrets it does not show', async () => {
    const secret = '383de6e7-4a8f-43a3-bcd2-77ff3d30f5eb';
    const key = Buffer.from(`/sensu.io/apikeys/${secret}`);
    await client.txn({ writes: [{ type: 'put', key, value: Buffer.from('theirs') }] });
    const { stderr } = await refused(cluster3, 14, 'TARGET_NOT_EMPTY');
    expect(stderr).not.toContain(secret);
  });
});
