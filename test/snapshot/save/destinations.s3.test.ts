import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openStorage } from '../../../src/storage/open.js';
import { expectFailure, ferry, shell, startFerry, startOnTerminal } from '../../support/ferry.js';
import { contentOf, namesIn } from '../../storage/contract.js';
import { stallingProxy } from '../../storage/s3/doubles.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { startS3Server, type S3Server } from '../../support/s3-server.js';

const marker = 'not for the eyes of a disk';

let folder: string;
let etcd: RunningEtcd;
let server: S3Server;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-destinations-'));
  [etcd, server] = await Promise.all([startEtcd(), startS3Server()]);
  await server.addBucket('backups');
  const client = await etcd.connect();
  await put(client, '/sensu.io/cluster_id', Buffer.from('12345678-aaaa'));
  await put(client, '/sensu.io/marker', Buffer.from(marker));
  // More than a part of an upload, however it is compressed.
  for (let i = 0; i < 20; i += 1) await put(client, `/sensu.io/noise/${i}`, randomBytes(1_000_000));
});
afterAll(async () => {
  await Promise.all([etcd.stop(), server.stop()]);
  await rm(folder, { recursive: true });
});

async function put(
  client: Awaited<ReturnType<RunningEtcd['connect']>>,
  key: string,
  value: Buffer,
): Promise<void> {
  await client.txn({ writes: [{ type: 'put', key: Buffer.from(key), value }] });
}

/** The nameless file that the process has open in the folder, once the whole store is in it. */
async function spoolOf(pid: number, temporary: string): Promise<Buffer> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    for (const fd of await readdir(`/proc/${pid}/fd`)) {
      const path = `/proc/${pid}/fd/${fd}`;
      const target = await readlink(path).catch(() => '');
      if (target.startsWith(temporary) && (await stat(path)).size > 20_000_000) return readFile(path);
    }
    await setTimeout(100);
  }
  throw new Error('There is no temporary file.');
}

function save(to: string, ...more: readonly string[]): string[] {
  return ['snapshot', 'save', '--endpoints', etcd.endpoint, '--to', to, ...more];
}

const archiveName = /^sensu-12345678-\d{8}T\d{6}Z-r\d+\.sferry$/;

describe('a snapshot in a bucket', () => {
  it('is whole, and its path is said', async () => {
    const saved = await ferry(save('s3://backups/whole', '--json'), { env: server.env });
    expect(saved).toMatchObject({ code: 0 });
    const { path, storedSize } = JSON.parse(saved.stdout) as { path: string; storedSize: number };
    const storage = await openStorage('s3://backups/whole', server.env);
    const [name] = await namesIn(storage);
    expect(name).toMatch(archiveName);
    expect(path).toBe(`s3://backups/whole/${name}`);
    const file = join(folder, name!);
    await writeFile(file, await contentOf(storage, name!));
    const inspected = await ferry(['snapshot', 'inspect', file, '--json']);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ size: storedSize });
  });

  it('may be a plain one', async () => {
    expect(await ferry(save('s3://backups/plain', '--format', 'etcd'), { env: server.env })).toMatchObject({
      code: 0,
    });
    const names = await namesIn(await openStorage('s3://backups/plain', server.env));
    expect(names).toEqual([expect.stringMatching(/\.db$/)]);
  });

  it('finds its service by options too', async () => {
    const { AWS_ENDPOINT_URL, ...credentials } = server.env;
    const options = ['--s3-endpoint', AWS_ENDPOINT_URL!, '--s3-region', 'us-east-1', '--s3-path-style'];
    expect(await ferry(save('s3://backups/options', ...options), { env: credentials })).toMatchObject({
      code: 0,
    });
  });

  it('can be put there by somebody who may do nothing but that', async () => {
    const writer = await server.addWriteOnlyBucket('write-only');
    const saved = await ferry(save('s3://write-only/sensu'), { env: writer });
    expect(saved).toMatchObject({ code: 0 });
    // What the first could not remove again is not in the way of the next.
    expect(await ferry(save('s3://write-only/sensu'), { env: writer })).toMatchObject({ code: 0 });
    const names = await namesIn(await openStorage('s3://write-only/sensu', server.env));
    expect(names).toContainEqual(expect.stringMatching(archiveName));
    expectFailure(
      await ferry(['snapshot', 'list', 's3://write-only/sensu'], { env: writer }),
      12,
      'S3_ACCESS_DENIED',
    );
  });

  it('that is not there is said before the snapshot is fetched', async () => {
    expectFailure(await ferry(save('s3://nowhere'), { env: server.env }), 2, 'S3_BUCKET_MISSING');
    const env = { ...server.env, AWS_SECRET_ACCESS_KEY: 'wrong-secret' };
    const denied = await ferry(save('s3://backups'), { env });
    expectFailure(denied, 12, 'S3_CREDENTIALS_REFUSED');
    expect(denied.stderr).not.toContain('wrong-secret');
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'is not listed after %s in the middle, and the next run works',
    async (signal) => {
      const location = `s3://backups/${signal}`;
      const proxy = await stallingProxy(server.endpoint, 12_000_000);
      onTestFinished(() => proxy.stop());
      const killed = startFerry(save(location), { env: { ...server.env, AWS_ENDPOINT_URL: proxy.endpoint } });
      const ended = once(killed.child, 'close');
      await proxy.stalled;
      killed.child.kill(signal);
      await proxy.stop();
      killed.finished.catch(() => undefined);
      await ended;
      const storage = await openStorage(location, server.env);
      // Neither can tidy up behind itself, with the server away.
      expect(await namesIn(storage)).toEqual(['sensu-ferry.lock.1']);
      expect(await ferry(save(location), { env: server.env })).toMatchObject({ code: 0 });
      expect(await namesIn(storage)).toEqual([expect.stringMatching(archiveName)]);
    },
  );
});

describe('a snapshot on standard output', () => {
  const words = (args: readonly string[]): string => args.map((word) => `'${word}'`).join(' ');

  it('is an archive, front to back, and all talk goes elsewhere', async () => {
    const file = join(folder, 'piped.sferry');
    const saved = await shell(`set -o pipefail; ferry ${words(save('-'))} | cat > '${file}'`);
    expect(saved).toMatchObject({ code: 0, stdout: '' });
    expect(saved.stderr).toContain('revision');
    expect(await ferry(['snapshot', 'inspect', file])).toMatchObject({ code: 0 });
  });

  it('is a plain one by wish, which etcd itself takes', async () => {
    const file = join(folder, 'piped.db');
    expect(await shell(`ferry ${words(save('-', '--format', 'etcd', '--quiet'))} > '${file}'`)).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const restored = join(folder, 'restored');
    const { etcdutl } = etcd.binaries;
    expect(await shell(`${etcdutl} snapshot restore '${file}' --data-dir '${restored}'`)).toMatchObject({
      code: 0,
    });
  });

  it('fails when its reader has gone', async () => {
    const ended = await shell(
      `ferry ${words(save('-'))} | head -c 100 > /dev/null; exit "\${PIPESTATUS[0]}"`,
    );
    expectFailure(ended, 1, 'OUTPUT_NOT_WRITTEN');
  });

  it('is in clear on no disk, and stops when it is told to although nobody reads', async () => {
    const temporary = await mkdtemp(join(folder, 'tmp-'));
    const saving = startFerry(save('-'), { env: { TMPDIR: temporary } });
    saving.child.stdout!.pause();
    const spool = await spoolOf(saving.child.pid!, temporary);
    expect(spool.includes(marker)).toBe(false);
    expect(await readdir(temporary)).toEqual([]);
    saving.child.kill('SIGTERM');
    saving.child.stdout!.resume();
    expect(await saving.finished).toMatchObject({ code: 143 });
  });

  it('is refused on a terminal, and beside --json', async () => {
    const { stdout, code } = await startOnTerminal(save('-')).finished;
    expect(stdout).toContain('OUTPUT_TAKEN');
    expect(code).toBe(2);
    const ended = await ferry(save('-', '--json'));
    expect(ended.code).toBe(2);
    expect(JSON.parse(ended.stdout)).toMatchObject({ error: { code: 'OUTPUT_TAKEN' } });
  });
});
