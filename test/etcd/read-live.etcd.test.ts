import { expect, test } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import type { RangeRequest } from '../../src/etcd/facets/kv.js';
import { readLive } from '../../src/etcd/read-live.js';
import type { StoreView } from '../../src/store/view.js';
import { silentContext } from '../support/silent-context.js';
import { etcdVersions, startEtcd } from '../support/etcd.js';

const keyOf = (index: number): Buffer => Buffer.from(`/sensu.io/${String(index).padStart(6, '0')}`);

async function write(client: EtcdClient, indexes: readonly number[], value: string): Promise<void> {
  for (let from = 0; from < indexes.length; from += 128) {
    const writes = indexes.slice(from, from + 128).map((index) => ({
      type: 'put' as const,
      key: keyOf(index),
      value: Buffer.from(value),
    }));
    await client.txn({ writes });
  }
}

/** The client, under which a backend writes and etcd compacts behind the second page of so many readings. */
function compacting(client: EtcdClient, times: number): EtcdClient {
  let pages = 0;
  let left = times;
  return {
    ...client,
    range: async (request: RangeRequest) => {
      pages = request.countOnly === true ? 0 : pages + 1;
      if (pages === 2 && left > 0) {
        left -= 1;
        await write(client, [0, 2999], `after ${times - left}`);
        await client.compact((await client.range({ start: keyOf(0), limit: 1 })).revision);
      }
      return client.range(request);
    },
  };
}

async function valuesOf(view: StoreView): Promise<string[]> {
  const values: string[] = [];
  for await (const batch of view.entries()) values.push(...batch.map(({ value }) => String(value)));
  return values;
}

/** The trap: the etcd that is in a backend compacts every five minutes, under whoever reads it. */
test.each(etcdVersions)('a store of etcd %s that is compacted is read again, whole', async (version) => {
  const etcd = await startEtcd({ version, until: 'test' });
  const client = await etcd.connect();
  await write(client, [...Array(3000).keys()], 'before');
  const said: string[] = [];
  const context = silentContext();
  const report = { ...context.report, info: (sentence: string) => void said.push(sentence) };
  const values = await readLive({ ...context, report }, compacting(client, 2), valuesOf);
  expect(values).toHaveLength(3000);
  // Both ends are of one revision.
  expect([values[0], values[1], values[2999]]).toEqual(['after 2', 'before', 'after 2']);
  expect(said).toHaveLength(2);
  expect(said[0]).toMatch(/^etcd at .* has compacted the revision .* It is read again at a newer one\.$/);
});

test('a store that is compacted again and again is given up, with a word on what helps', async () => {
  const etcd = await startEtcd({ until: 'test' });
  const client = await etcd.connect();
  await write(client, [...Array(3000).keys()], 'before');
  let readings = 0;
  const reading = readLive(silentContext(), compacting(client, 100), (view) => {
    readings += 1;
    return valuesOf(view);
  });
  await expect(reading).rejects.toMatchObject({
    code: 'STORE_COMPACTED',
    message: expect.stringContaining('5 times in a row.') as string,
    hint: expect.stringContaining('snapshot save') as string,
  });
  expect(readings).toBe(5);
});
