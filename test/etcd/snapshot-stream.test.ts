import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import { etcdVersions, startEtcd, type RunningEtcd } from '../support/etcd.js';

/** Enough that a snapshot does not fit into the windows and buffers between etcd and its reader. */
async function fill(client: EtcdClient, megabytes: number): Promise<void> {
  const value = Buffer.alloc(512 * 1024, 'x');
  for (let index = 0; index < 2 * megabytes; index += 1) {
    const key = Buffer.from(`/sensu.io/${String(index).padStart(6, '0')}`);
    await client.txn({ writes: [{ type: 'put', key, value }] });
  }
}

async function filledEtcd(megabytes: number, version?: string): Promise<RunningEtcd> {
  const etcd = await startEtcd({ ...(version !== undefined && { version }), until: 'test' });
  await fill(await etcd.connect(), megabytes);
  return etcd;
}

async function read(parts: AsyncIterable<Buffer>): Promise<Buffer> {
  const read: Buffer[] = [];
  for await (const part of parts) read.push(Buffer.from(part));
  return Buffer.concat(read);
}

test.each(etcdVersions)('the stream of etcd %s is a database and its sha256', async (version) => {
  const etcd = await filledEtcd(4, version);
  const client = await etcd.connect();
  const bytes = await read(client.snapshot(etcd.endpoint));
  expect(bytes.length % 512).toBe(32);
  const database = bytes.subarray(0, -32);
  expect(createHash('sha256').update(database).digest()).toEqual(bytes.subarray(-32));
  const folder = await mkdtemp(join(tmpdir(), 'snapshot-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'file.db'), bytes);
  const program = etcd.binaries.etcdutl ?? etcd.binaries.etcdctl;
  const args = ['snapshot', 'status', join(folder, 'file.db'), '--write-out=json'];
  const { stdout } = await promisify(execFile)(program, args, { env: { ETCDCTL_API: '3' } });
  const status = JSON.parse(stdout) as { revision: number };
  expect(BigInt(status.revision)).toBe((await client.status(etcd.endpoint)).revision);
});

// A stream that ended like a whole one would leave a snapshot that nobody knows to be cut.
test('a member that dies under the snapshot is a failure', async () => {
  const etcd = await filledEtcd(64);
  const client = await etcd.connect();
  const parts = client.snapshot(etcd.endpoint)[Symbol.asyncIterator]();
  await parts.next();
  await etcd.members[0]!.kill();
  const rest = read({ [Symbol.asyncIterator]: () => parts });
  await expect(rest).rejects.toMatchObject({ name: 'FerryError', kind: 'unreachable' });
});

test('a member that hangs under the snapshot is a failure within the idle time', async () => {
  const etcd = await filledEtcd(64);
  const client = await etcd.connect({ deadlineMs: 1000 });
  const parts = client.snapshot(etcd.endpoint)[Symbol.asyncIterator]();
  await parts.next();
  etcd.members[0]!.suspend();
  const began = performance.now();
  const rest = read({ [Symbol.asyncIterator]: () => parts });
  await expect(rest).rejects.toMatchObject({ kind: 'unreachable', code: 'SNAPSHOT_STALLED' });
  expect(performance.now() - began).toBeLessThan(5000);
});

test('a reader that is slower than the idle time gets the whole stream', async () => {
  const etcd = await filledEtcd(32);
  const client = await etcd.connect({ deadlineMs: 500 });
  const hash = createHash('sha256');
  let held = Buffer.alloc(0);
  let pauses = 0;
  for await (const part of client.snapshot(etcd.endpoint)) {
    if (pauses < 2) await sleep(1200);
    pauses += 1;
    const bytes = Buffer.concat([held, part]);
    hash.update(bytes.subarray(0, -32));
    held = bytes.subarray(-32);
  }
  expect(hash.digest()).toEqual(held);
});

test('a reader that stops early leaves the client usable', async () => {
  const etcd = await filledEtcd(32);
  const client = await etcd.connect();
  for await (const part of client.snapshot(etcd.endpoint)) {
    expect(part.length).toBeGreaterThan(0);
    break;
  }
  expect((await client.range({ start: Buffer.from('/'), countOnly: true })).count).toBe(64n);
});

test('an aborted signal ends the stream with its reason', async () => {
  const etcd = await filledEtcd(32);
  const abort = new AbortController();
  const client = await etcd.connect({ signal: abort.signal });
  const parts = client.snapshot(etcd.endpoint)[Symbol.asyncIterator]();
  await parts.next();
  abort.abort(new Error('interrupted'));
  await expect(read({ [Symbol.asyncIterator]: () => parts })).rejects.toThrow('interrupted');
});
