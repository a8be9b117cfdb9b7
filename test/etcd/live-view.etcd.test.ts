import { expect, test } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import type { RangeRequest } from '../../src/etcd/facets/kv.js';
import { openLiveView } from '../../src/etcd/live-view.js';
import type { LeaseId, StoreEntry } from '../../src/store/view.js';
import { etcdVersions, startEtcd } from '../support/etcd.js';

const keyOf = (index: number): Buffer => Buffer.from(`/sensu.io/${String(index).padStart(6, '0')}`);

async function fill(client: EtcdClient, count: number, value: Buffer): Promise<void> {
  const perTxn = Math.max(1, Math.min(128, Math.floor((1024 * 1024) / (value.length + 1))));
  for (let from = 0; from < count; from += perTxn) {
    const length = Math.min(perTxn, count - from);
    await client.txn({
      writes: Array.from({ length }, (_, index) => ({ type: 'put', key: keyOf(from + index), value })),
    });
  }
}

async function entriesOf(batches: AsyncIterable<readonly StoreEntry[]>): Promise<readonly StoreEntry[]> {
  const entries: StoreEntry[] = [];
  for await (const batch of batches) entries.push(...batch);
  return entries;
}

/** The client, with each range request noted before it goes out. */
function watched(client: EtcdClient, note: (request: RangeRequest) => Promise<void> | void): EtcdClient {
  return {
    ...client,
    range: async (request: RangeRequest) => {
      await note(request);
      return client.range(request);
    },
    leaseIds: () => client.leaseIds(),
    leaseState: (id: LeaseId, ask?: { readonly keys: boolean }) => client.leaseState(id, ask),
  };
}

test.each(etcdVersions)('a view of etcd %s stays at its revision while others write', async (version) => {
  const etcd = await startEtcd({ version, until: 'test' });
  const client = await etcd.connect();
  await fill(client, 3000, Buffer.from('old'));
  const view = await openLiveView(client);
  const reading = view.entries();
  await fill(client, 3500, Buffer.from('new'));
  const entries = await entriesOf(reading);
  expect(entries.map(({ key }) => String(key))).toEqual(
    Array.from({ length: 3000 }, (_, index) => String(keyOf(index))),
  );
  expect(new Set(entries.map(({ value }) => String(value)))).toEqual(new Set(['old']));
  expect(entries.every(({ modRevision }) => modRevision <= view.revision)).toBe(true);
  const older = await openLiveView(client, view.revision);
  expect(await entriesOf(older.entries())).toHaveLength(3000);
});

test('a range is kept to, and keys of any bytes are followed by the next', async () => {
  const etcd = await startEtcd({ until: 'test' });
  const client = await etcd.connect();
  const keys = [[0], [0, 0], [0x2f], [0x2f, 0xff], [0x2f, 0xff, 0xff], [0xff, 0xff]].map((bytes) =>
    Buffer.from(bytes),
  );
  await client.txn({ writes: keys.map((key) => ({ type: 'put', key, value: key })) });
  // Pages of one key, so that each key is the last of a page once.
  const one = watched(client, (request) => {
    Object.assign(request, { limit: 1 });
  });
  const view = await openLiveView(one);
  expect((await entriesOf(view.entries())).map(({ key }) => key)).toEqual(keys);
  const part = { start: Buffer.from([0x2f]), end: Buffer.from([0x2f, 0xff, 0xff]) };
  expect((await entriesOf(view.entries(part))).map(({ key }) => key)).toEqual(keys.slice(2, 4));
  expect(await entriesOf(view.entries({ start: part.end, end: part.end }))).toEqual([]);
});

test('values larger than the whole of an answer are read in pages that fit', async () => {
  const etcd = await startEtcd({ until: 'test' });
  const client = await etcd.connect();
  // 250 keys, the first page, hold 100 MB: more than the 64 MiB that an answer may have.
  await fill(client, 300, Buffer.alloc(400_000, 1));
  const limits: number[] = [];
  const view = await openLiveView(
    watched(client, ({ limit }) => {
      if (limit !== undefined) limits.push(limit);
    }),
  );
  let count = 0;
  for await (const batch of view.entries()) {
    count += batch.length;
    expect(batch.reduce((sum, { value }) => sum + value.length, 0)).toBeLessThan(1_500_000);
  }
  expect(count).toBe(300);
  expect(limits[0]).toBeGreaterThan(limits[1]!);
  expect(Math.max(...limits.slice(2))).toBeLessThanOrEqual(6);
});

test.each(etcdVersions)('a compaction of etcd %s under the reader is told', async (version) => {
  const etcd = await startEtcd({ version, until: 'test' });
  const client = await etcd.connect();
  await fill(client, 3000, Buffer.from('x'));
  const view = await openLiveView(client);
  await fill(client, 1, Buffer.from('y'));
  const reading = view.entries()[Symbol.asyncIterator]();
  await reading.next();
  const { revision } = await client.range({ start: keyOf(0), limit: 1 });
  await client.compact(revision);
  const rest = entriesOf({ [Symbol.asyncIterator]: () => reading });
  await expect(rest).rejects.toMatchObject({ name: 'FerryError', code: 'STORE_COMPACTED' });
});

test('a reader that stops early leaves no failure behind', async () => {
  const etcd = await startEtcd({ until: 'test' });
  const client = await etcd.connect();
  await fill(client, 1000, Buffer.from('x'));
  const view = await openLiveView(client);
  for await (const batch of view.entries()) {
    expect(batch.length).toBeGreaterThan(0);
    break;
  }
  // The page that was asked for in advance now fails, unheard; an unhandled rejection would fail this run.
  await etcd.members[0]!.kill();
});

test.each(etcdVersions)('leases of etcd %s come with the TTL that they were granted', async (version) => {
  const etcd = await startEtcd({ version, until: 'test' });
  const client = await etcd.connect();
  const leases = Array.from({ length: 200 }, (_, index) => ({
    id: (7_587_848_390_000_000_000n + BigInt(index)) as LeaseId,
    ttl: 500n + BigInt(index),
  }));
  await Promise.all(leases.map((lease) => client.grantLease(lease)));
  const found = await (await openLiveView(client)).leases();
  expect([...found].sort((a, b) => Number(a.ttl - b.ttl))).toEqual(leases);
});
