import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import type { WriteOperation } from '../../src/etcd/facets/kv.js';
import type { LeaseId, Revision } from '../../src/store/view.js';
import { etcdVersions, startEtcd, type RunningEtcd } from '../support/etcd.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const put = (key: string, value: Buffer | string, lease?: LeaseId): WriteOperation => ({
  type: 'put',
  key: bytes(key),
  value: Buffer.from(value),
  lease,
});
const under = (prefix: string): { start: Buffer; end: Buffer } => ({
  start: bytes(`${prefix}/`),
  end: bytes(`${prefix}0`),
});

describe.each(etcdVersions)('requests to etcd %s', (version) => {
  let etcd: RunningEtcd;
  let client: EtcdClient;

  beforeAll(async () => {
    etcd = await startEtcd({ version });
    client = await etcd.connect();
  });
  afterAll(() => etcd.stop());

  test('keys and values come back byte for byte, with their revisions', async () => {
    const key = Buffer.from([0x2f, 0xff, 0x00, 0xfe]);
    const value = Buffer.from([0, 0xff, 0xc3, 0x28]);
    const first = await client.txn({ writes: [{ type: 'put', key, value }] });
    const second = await client.txn({ writes: [{ type: 'put', key, value }] });
    const found = await client.range({ start: key, end: Buffer.concat([key, Buffer.of(0)]) });
    expect(found.entries).toEqual([
      {
        key,
        value,
        createRevision: first.revision,
        modRevision: second.revision,
        version: 2n,
        lease: undefined,
      },
    ]);
    expect(found.revision).toBe(second.revision);
  });

  // etcd 3.7 tells no leases without the values; whoever tried on an older one would rely on them.
  test('a key comes with its lease only when its value is asked for, too', async () => {
    const id = 7n as LeaseId;
    await client.grantLease({ id, ttl: 600n });
    await client.txn({ writes: [put('/with-lease/key', '1', id)] });
    const leaseOf = async (keysOnly: boolean): Promise<unknown> =>
      (await client.range({ ...under('/with-lease'), keysOnly })).entries[0]?.lease;
    expect(await leaseOf(false)).toBe(id);
    expect(await leaseOf(true)).toBeUndefined();
  });

  test('a range has an end or reaches to the end of the keys', async () => {
    await client.txn({ writes: [put('/r/a', '1'), put('/r/b', ''), put('/s', '3'), put('\xff', '4')] });
    const keysOf = async (start: string, end?: string): Promise<string[]> => {
      const range = { start: bytes(start), ...(end !== undefined && { end: bytes(end) }) };
      return (await client.range(range)).entries.map(({ key }) => key.toString());
    };
    expect(await keysOf('/r/', '/r0')).toEqual(['/r/a', '/r/b']);
    expect(await keysOf('/r/b')).toEqual(expect.arrayContaining(['/r/b', '/s', '\xff']));
    expect(await keysOf('/r/', '/r/')).toEqual([]);
  });

  test('limits, counts, heads and old revisions', async () => {
    const { revision } = await client.txn({ writes: [put('/l/1', 'x'), put('/l/2', 'x'), put('/l/3', 'x')] });
    const later = await client.txn({ writes: [put('/l/1', 'y')] });
    const range = under('/l');
    const limited = await client.range({ ...range, limit: 2 });
    expect(limited).toMatchObject({ count: 3n, more: true });
    expect(limited.entries).toHaveLength(2);
    const counted = await client.range({ ...range, countOnly: true });
    expect(counted).toMatchObject({ count: 3n, entries: [] });
    const heads = await client.range({ ...range, keysOnly: true, minModRevision: later.revision });
    expect(heads.entries.map(({ key, value }) => [String(key), value.length])).toEqual([['/l/1', 0]]);
    const old = await client.range({ ...range, revision });
    expect(String(old.entries[0]!.value)).toBe('x');
    expect(old.revision).toBe(later.revision);
  });

  test('guards hold or nothing is written', async () => {
    const absent = { key: bytes('/g/new'), modRevision: 0n as Revision };
    const created = await client.txn({ guards: [absent], writes: [put('/g/new', '1')] });
    expect(created.succeeded).toBe(true);
    const again = await client.txn({ guards: [absent], writes: [put('/g/new', '2')] });
    expect(again.succeeded).toBe(false);
    const replaced = await client.txn({
      guards: [{ key: bytes('/g/new'), modRevision: created.revision }],
      writes: [{ type: 'delete', key: bytes('/g/new') }, put('/g/other', '3')],
    });
    expect(replaced.succeeded).toBe(true);
    const left = await client.range(under('/g'));
    expect(left.entries.map(({ key }) => String(key))).toEqual(['/g/other']);
  });

  test('a guard of a range holds as long as nothing lies in it', async () => {
    const vacant = { key: bytes('/vacant/b'), end: bytes('/vacant/d'), modRevision: 0n as Revision };
    await client.txn({ writes: [put('/vacant/a', '1'), put('/vacant/d', '1')] });
    const first = await client.txn({ guards: [vacant], writes: [put('/vacant/b', '1')] });
    expect(first.succeeded).toBe(true);
    const second = await client.txn({ guards: [vacant], writes: [put('/vacant/c', '1')] });
    expect(second.succeeded).toBe(false);
  });

  test('a transaction of 128 writes is taken, one of 129 is refused in words', async () => {
    const writes = Array.from({ length: 129 }, (_, index) => put(`/n/${index}`, 'x'));
    expect((await client.txn({ writes: writes.slice(0, 128) })).succeeded).toBe(true);
    await expect(client.txn({ writes })).rejects.toMatchObject({ code: 'TOO_MANY_OPERATIONS' });
  });

  // grpc-js takes answers of 4 MiB by default, and etcd3 leaves it at that.
  test('an answer of more than 4 MiB arrives', async () => {
    const value = Buffer.alloc(1024 * 1024, 7);
    for (let index = 0; index < 6; index += 1) await client.txn({ writes: [put(`/big/${index}`, value)] });
    const { entries } = await client.range(under('/big'));
    expect(entries.map((entry) => entry.value.length)).toEqual(Array(6).fill(1024 * 1024));
    expect(entries[5]!.value.equals(value)).toBe(true);
  });

  test('a request that is too large is refused in words', async () => {
    const writes = [put('/large', Buffer.alloc(2 * 1024 * 1024))];
    await expect(client.txn({ writes })).rejects.toMatchObject({
      kind: 'refused',
      code: 'REQUEST_TOO_LARGE',
    });
  });

  test('a compacted revision is refused in words', async () => {
    const { revision } = await client.txn({ writes: [put('/c', '1')] });
    const later = await client.txn({ writes: [put('/c', '2')] });
    await client.compact(later.revision);
    await expect(client.range({ start: bytes('/c'), revision })).rejects.toMatchObject({
      code: 'STORE_COMPACTED',
    });
  });

  test('leases keep the id they had, also ids beyond what a JS number holds', async () => {
    const id = 7_587_848_390_000_000_123n as LeaseId;
    expect(await client.grantLease({ id, ttl: 600n })).toBe('granted');
    expect(await client.grantLease({ id, ttl: 700n })).toBe('exists');
    await client.txn({ writes: [put('/leased/1', 'x', id), put('/leased/2', 'x', id)] });
    expect(await client.leaseIds()).toContain(id);
    const state = await client.leaseState(id);
    expect(state).toMatchObject({ id, ttl: 600n });
    expect(state!.remaining).toBeGreaterThan(590n);
    expect(state!.keys.map(String).sort()).toEqual(['/leased/1', '/leased/2']);
    expect((await client.leaseState(id, { keys: false }))!.keys).toEqual([]);
    const { entries } = await client.range(under('/leased'));
    expect(entries.map(({ lease }) => lease)).toEqual([id, id]);
    expect(await client.revokeLease(id)).toBe(true);
    expect(await client.revokeLease(id)).toBe(false);
    expect(await client.leaseState(id)).toBeUndefined();
    expect((await client.range(under('/leased'))).count).toBe(0n);
  });

  test('the member tells of itself', async () => {
    const status = await client.status(etcd.endpoint);
    const [member] = await client.members();
    expect(status).toMatchObject({ version, memberId: member!.id, leader: member!.id, isLearner: false });
    expect(status.errors).toEqual([]);
    expect(status.dbSize).toBeGreaterThanOrEqual(status.dbSizeInUse);
    expect(status.revision).toBe((await client.range({ start: bytes('/'), countOnly: true })).revision);
    expect(member).toMatchObject({ name: 'etcd-1', clientUrls: [etcd.endpoint] });
    expect(await client.alarms()).toEqual([]);
  });
});

test.each(etcdVersions)('a full etcd %s is refused in words, and has its alarm raised', async (version) => {
  const etcd = await startEtcd({ version, quotaBytes: 1024 * 1024, until: 'test' });
  const client = await etcd.connect();
  const fill = async (): Promise<void> => {
    // The quota is held against the file, which grows with each commit of the backend, every 100 ms.
    for (let index = 0; index < 100; index += 1) {
      await client.txn({ writes: [put(`/fill/${index}`, Buffer.alloc(256 * 1024))] });
      await sleep(20);
    }
  };
  await expect(fill()).rejects.toMatchObject({ kind: 'refused', code: 'ETCD_NO_SPACE' });
  const [member] = await client.members();
  expect(await client.alarms()).toEqual([{ memberId: member!.id, type: 'NOSPACE' }]);
});

// etcd3 shuffles its hosts, so that nobody knows whose status it was.
test('the status is that of the member that was asked', async () => {
  const etcd = await startEtcd({ members: 3, until: 'test' });
  const client = await etcd.connect();
  const members = await client.members();
  for (const endpoint of [...etcd.endpoints, ...etcd.endpoints]) {
    const id = members.find(({ clientUrls }) => clientUrls.includes(endpoint))!.id;
    expect((await client.status(endpoint)).memberId).toBe(id);
  }
});

test('reads go to another member when one dies or hangs, and writes do from the next one on', async () => {
  const etcd = await startEtcd({ members: 3, until: 'test' });
  // The one that hangs may be the leader, and a busy machine takes its time to elect another.
  const client = await etcd.connect({ deadlineMs: 5000 });
  const read = (): Promise<unknown> => client.range({ start: bytes('/') });
  await read();
  const [first, second] = etcd.members;
  first!.suspend();
  onTestFinished(() => {
    first!.resume();
  });
  await read();
  first!.resume();
  await second!.kill();
  await expect.poll(read, { timeout: 10_000 }).toMatchObject({ more: false });
  await expect
    .poll(() => client.txn({ writes: [put('/after', 'x')] }), { timeout: 10_000 })
    .toMatchObject({ succeeded: true });
});
