import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { takeLock } from '../../src/snapshot/keep/lock.js';
import { DirectoryStorage } from '../../src/storage/directory.js';
import { silentContext } from '../support/silent-context.js';
import { startEtcd, type RunningEtcd } from '../support/etcd.js';
import { findTool } from '../support/tools.js';
import { expectFailure, ferry, startFerry, testFolder, untilSaid } from '../support/ferry.js';

let etcd: RunningEtcd;

beforeAll(async () => {
  etcd = await startEtcd();
  const client = await etcd.connect();
  for (let i = 0; i < 6; i += 1) {
    const key = Buffer.from(`/sensu.io/noise/${i}`);
    await client.txn({ writes: [{ type: 'put', key, value: randomBytes(1_000_000) }] });
  }
});

afterAll(() => etcd.stop());

const saveTo = (folder: string, ...more: readonly string[]): string[] => [
  ...['snapshot', 'save', '--endpoints', etcd.endpoint, '--to', folder],
  ...more,
];

const snapshotsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => /\.(sferry|db)$/.test(name));

async function samplesOf(path: string): Promise<Record<string, number>> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => /^\w/.test(line));
  const pairs = lines.map((line) => /^sensu_ferry_snapshot_(\w+)\{.*\} (\S+)$/.exec(line)!.slice(1));
  return Object.fromEntries(pairs.map(([name, value]) => [name!, Number(value)]));
}

async function promtoolSays(path: string): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(findTool('promtool'), ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += String(part)));
  child.stdin.end(await readFile(path));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

describe('save --quiet', () => {
  it.each(['sferry', 'etcd'])('prints nothing when all is well: %s', async (format) => {
    const folder = await testFolder();
    const ended = await ferry(saveTo(folder, '--quiet', '--format', format));
    expect(ended).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await snapshotsIn(folder)).toHaveLength(1);
  });

  it('prints one line when something is wrong', async () => {
    const folder = await testFolder();
    const nowhere = ['snapshot', 'save', '--endpoints', 'http://127.0.0.1:1', '--to', folder, '--quiet'];
    const ended = await ferry(nowhere);
    expect(ended).toMatchObject({ code: 15, stdout: '' });
    expect(ended.stderr).toMatch(/^error: [^\n]+ \[ENDPOINT_REFUSED\]\n$/);
  });
});

describe('save', () => {
  it('lets another run on the same place be, and says who that is', async () => {
    const folder = await testFolder();
    const lock = await takeLock(silentContext(), new DirectoryStorage(folder));
    const ended = await ferry(saveTo(folder));
    expectFailure(ended, 11, 'LOCKED');
    expect(ended.stderr).toContain(`Process ${process.pid} on `);
    await lock.release();
    expect((await ferry(saveTo(folder))).code).toBe(0);
    expect(await readdir(folder)).toEqual(await snapshotsIn(folder));
  });

  it('several at once on one place are done one behind the other, or find that one is at work', async () => {
    const folder = await testFolder();
    const ended = await Promise.all([1, 2, 3].map((n) => ferry(saveTo(folder, '--name', `run-${n}`))));
    const done = ended.filter(({ code }) => code === 0);
    expect(ended.map(({ code }) => code).filter((code) => code !== 0 && code !== 11)).toEqual([]);
    expect(await snapshotsIn(folder)).toHaveLength(done.length);
    expect(done.length).toBeGreaterThan(0);
    expect(await readdir(folder)).toEqual(await snapshotsIn(folder));
  });

  it('stops after --timeout, and leaves nothing', async () => {
    const folder = await testFolder();
    const metrics = join(await testFolder(), 'ferry.prom');
    const [member] = etcd.members;
    member!.suspend();
    try {
      const ended = await ferry(saveTo(folder, '--timeout', '2s', '--textfile', metrics));
      expectFailure(ended, 15, 'TIMED_OUT');
    } finally {
      member!.resume();
    }
    expect(await readdir(folder)).toEqual([]);
    expect(await samplesOf(metrics)).toMatchObject({ last_run_success: 0 });
  });

  it.each(['10', '0s', 'soon', '-1m', '1.5h'])('takes no --timeout of %s', async (timeout) => {
    const folder = await testFolder();
    expectFailure(await ferry(saveTo(folder, `--timeout=${timeout}`)), 2, 'DURATION_UNUSABLE');
  });

  it('begins again when the member is lost that sends the snapshot', async () => {
    const folder = await testFolder();
    const proxy = await cutOnce(etcd.endpoint, 1_500_000);
    const args = ['snapshot', 'save', '--endpoints', proxy, '--to', folder];
    const ended = await ferry(args);
    expect(ended).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/Trying again in 1 s\./) as string,
    });
    expect(await snapshotsIn(folder)).toHaveLength(1);
    expect(await readdir(folder)).toHaveLength(1);
  });

  it('waits for a leader', async () => {
    const folder = await testFolder();
    const cluster = await startEtcd({ members: 3, until: 'test' });
    const [first, ...others] = cluster.members;
    await Promise.all(others.map((member) => member.kill()));
    const endpoints = first!.endpoint;
    const saving = startFerry(['snapshot', 'save', '--endpoints', endpoints, '--to', folder]);
    await untilSaid(saving, /Trying again/);
    await Promise.all(others.map((member) => member.launch()));
    expect((await saving.finished).code).toBe(0);
    expect(await snapshotsIn(folder)).toHaveLength(1);
  });
});

/** Passes everything on to the server, but ends the first connection on which so many bytes have come back. */
async function cutOnce(endpoint: string, bytes: number): Promise<string> {
  const { hostname, port } = new URL(endpoint);
  let cut = false;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let passed = 0;
    client.on('data', (chunk) => upstream.write(chunk)).on('close', () => upstream.destroy());
    client.on('error', () => undefined);
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    upstream.on('data', (chunk) => {
      passed += chunk.length;
      if (cut || passed < bytes) return void client.write(chunk);
      cut = true;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('save --textfile', () => {
  it('writes metrics that promtool accepts, and keeps the last success across failures', async () => {
    const folder = await testFolder();
    const metrics = join(await testFolder(), 'ferry.prom');
    expect((await ferry(saveTo(folder, '--textfile', metrics))).code).toBe(0);
    const good = await samplesOf(metrics);
    const stored = (await readFile(join(folder, (await snapshotsIn(folder))[0]!))).length;
    expect(good).toMatchObject({
      last_run_success: 1,
      last_success_keys: 6,
      last_success_stored_bytes: stored,
    });
    expect(await promtoolSays(metrics)).toEqual({ code: 0, output: '' });
    // A folder that is not mounted is a failed run too.
    await rm(folder, { recursive: true });
    const failed = await ferry(saveTo(folder, '--textfile', metrics));
    expect(failed.code).not.toBe(0);
    expect(await samplesOf(metrics)).toMatchObject({
      last_run_success: 0,
      last_success_timestamp_seconds: good['last_success_timestamp_seconds']!,
      last_success_keys: 6,
    });
    expect(await promtoolSays(metrics)).toEqual({ code: 0, output: '' });
  });

  it('that promtool checks at all', async () => {
    const file = join(await testFolder(), 'bad.prom');
    await writeFile(file, 'sensuFerry_total{ 1\n');
    expect((await promtoolSays(file)).code).not.toBe(0);
  });

  it('that cannot be written is said, and does not hide what went wrong first', async () => {
    const folder = await testFolder();
    const nowhere = join(folder, 'none', 'ferry.prom');
    expectFailure(await ferry(saveTo(folder, '--textfile', nowhere)), 1, 'TEXTFILE_NOT_WRITTEN');
    expect(await snapshotsIn(folder)).toHaveLength(1);
    const failed = await ferry(saveTo(join(folder, 'missing'), '--textfile', nowhere));
    expect(failed.stderr).toMatch(/^warning: The metrics file /m);
    expectFailure(failed, 2, 'LOCATION_MISSING');
  });

  it('says nothing of a password', async () => {
    const folder = await testFolder();
    const password = join(folder, 'password');
    await writeFile(password, 'secret-of-root\n');
    await chmod(password, 0o600);
    const metrics = join(folder, 'ferry.prom');
    const ended = await ferry(
      saveTo(folder, '--user', 'root', '--password-file', password, '--textfile', metrics),
    );
    expect(ended.code).not.toBe(0);
    expect(ended.stderr + (await readFile(metrics, 'utf8'))).not.toContain('secret-of-root');
  });
});
