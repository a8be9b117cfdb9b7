import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { ProtoWriter } from '../../src/protobuf/proto-writer.js';
import type { EtcdClient } from '../../src/etcd/client.js';
import { connect } from '../../src/etcd/connect.js';
import { snapshotPath } from '../../src/etcd/transport/messages.js';
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

/** A client of a server that lists one member, and streams blobs as the test says. */
async function clientOf(
  send: (blob: (bytes: Buffer, remaining: number) => void) => void,
): Promise<EtcdClient> {
  const server = createServer().on('stream', (stream, { ':path': path }) => {
    stream.on('error', () => undefined);
    const isSnapshot = path === snapshotPath;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: !isSnapshot });
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'grpc-status': '0' });
    });
    if (!isSnapshot) stream.end(framed(Buffer.alloc(0)));
    else
      send((bytes, remaining) => {
        if (!stream.destroyed)
          stream.write(framed(new ProtoWriter().number(2, remaining).bytes(3, bytes).finish()));
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const client = await connect({ endpoints: [`http://127.0.0.1:${port}`], deadlineMs: 1000 });
  onTestFinished(() => client.close());
  return client;
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

test('a member that sends more than it has announced is left', async () => {
  const client = await clientOf((blob) => {
    blob(Buffer.alloc(5000), 5000);
    for (let more = 0; more < 3; more += 1) blob(Buffer.alloc(5000), 0);
  });
  await expect(read(client.snapshot(client.endpoints[0]!))).rejects.toMatchObject({
    code: 'SNAPSHOT_TOO_LONG',
  });
});

// Each message would put off a time-out that only waits for the next.
test('a member that sends a byte now and then is left', async () => {
  const client = await clientOf((blob) => {
    const drip = setInterval(blob, 100, Buffer.alloc(1), 1_000_000);
    onTestFinished(() => {
      clearInterval(drip);
    });
  });
  await expect(read(client.snapshot(client.endpoints[0]!))).rejects.toMatchObject({
    code: 'SNAPSHOT_STALLED',
  });
});
