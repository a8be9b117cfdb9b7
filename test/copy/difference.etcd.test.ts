import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import type { LeaseKeeper } from '../../src/etcd/facets/leases.js';
import { openLiveView } from '../../src/etcd/live-view.js';
import { applyDifference } from '../../src/copy/apply-difference.js';
import { planDifference } from '../../src/copy/difference.js';
import { planLoad } from '../../src/copy/load-plan.js';
import { applyLoad } from '../../src/copy/load.js';
import { verifyCopy } from '../../src/copy/verify-copy.js';
import { sensuRoot } from '../../src/store/sensu-root.js';
import type { Lease, LeaseId, StoreView } from '../../src/store/view.js';
import { oldestAndNewestEtcd, startEtcd, type RunningEtcd } from '../support/etcd.js';
import { leaseId } from '../support/memory-etcd.js';
import { silentContext } from '../support/silent-context.js';

interface Operation {
  readonly act: 'put' | 'delete' | 'revoke' | 'regrant';
  readonly key: number;
  readonly value: string;
  readonly lease: number | undefined;
}

const operations = fc.array(
  fc.record<Operation>({
    act: fc.constantFrom('put', 'put', 'put', 'delete', 'revoke', 'regrant'),
    key: fc.nat(60),
    value: fc.string({ maxLength: 6 }),
    lease: fc.option(fc.nat(4), { nil: undefined }),
  }),
  { minLength: 5, maxLength: 80 },
);

/** A live view with the leases of the moment: etcd keeps none of their history. */
async function frozen(client: EtcdClient): Promise<StoreView> {
  const view = await openLiveView(client);
  const leases = await view.leases();
  return { ...view, leases: () => Promise.resolve(leases) };
}

async function perform(client: EtcdClient, all: readonly Operation[]): Promise<void> {
  for (const { act, key: n, value, lease } of all) {
    const key = Buffer.from(`/sensu.io/k${String(n).padStart(2, '0')}`);
    const id = lease === undefined ? undefined : leaseId(BigInt(lease + 1));
    if (act === 'put') {
      if (id !== undefined) await client.grantLease({ id, ttl: 600n });
      await client.txn({ writes: [{ type: 'put', key, value: Buffer.from(value), lease: id }] });
    } else if (act === 'delete') await client.txn({ writes: [{ type: 'delete', key }] });
    else if (id !== undefined) {
      await client.revokeLease(id);
      if (act === 'regrant') await client.grantLease({ id, ttl: 600n + BigInt(n) });
    }
  }
}

async function wipe(client: EtcdClient): Promise<void> {
  for (const id of await client.leaseIds()) await client.revokeLease(id);
  const { entries } = await client.range(sensuRoot);
  if (entries.length > 0) {
    await client.txn({ writes: entries.map(({ key }) => ({ type: 'delete', key })) });
  }
}

async function contentOf(client: EtcdClient): Promise<unknown> {
  const { entries } = await client.range(sensuRoot);
  const states = await Promise.all((await client.leaseIds()).map((id) => client.leaseState(id)));
  return {
    keys: entries.map(({ key, value, lease }) => [String(key), value.toString('hex'), lease]),
    leases: states
      .map((state) => [String(state!.id), state!.ttl, state!.keys.map(String).sort()])
      .sort(([a], [b]) => (a! < b! ? -1 : 1)),
  };
}

describe.each(oldestAndNewestEtcd)('the difference between two states of etcd %s', (version) => {
  let source: RunningEtcd;
  let target: RunningEtcd;
  let from: EtcdClient;
  let to: EtcdClient;

  beforeAll(async () => {
    [source, target] = await Promise.all([startEtcd({ version }), startEtcd({ version })]);
    [from, to] = await Promise.all([source.connect(), target.connect()]);
  });

  afterAll(async () => {
    await Promise.all([source.stop(), target.stop()]);
  });

  async function loaded(view: StoreView, keeper: LeaseKeeper): Promise<void> {
    const context = silentContext();
    await applyLoad(context, to, view, await planLoad(context, to, view), keeper);
  }

  it('takes a copy of the first to the second', async () => {
    await fc.assert(
      fc.asyncProperty(operations, operations, async (earlier, later) => {
        await Promise.all([wipe(from), wipe(to)]);
        await perform(from, earlier);
        const before = await frozen(from);
        const keeper = to.keepLeases();
        try {
          await loaded(before, keeper);
          await perform(from, later);
          const now = await frozen(from);
          const difference = await planDifference(before, now);
          await applyDifference(silentContext(), to, now, difference, keeper);
          expect(await contentOf(to)).toEqual(await contentOf(from));
          await verifyCopy(silentContext(), to, now);
        } finally {
          await keeper.close();
        }
      }),
      { numRuns: 12 },
    );
  });

  it('brings back a lease that ended on the target, and can be applied twice', async () => {
    await Promise.all([wipe(from), wipe(to)]);
    const lease: Lease = { id: 5n as LeaseId, ttl: 600n };
    await from.grantLease(lease);
    const key = Buffer.from('/sensu.io/switchsets/a');
    await from.txn({ writes: [{ type: 'put', key, value: Buffer.from('1'), lease: lease.id }] });
    const before = await frozen(from);
    const keeper = to.keepLeases();
    await loaded(before, keeper);
    await to.revokeLease(lease.id);
    await perform(from, [{ act: 'put', key: 1, value: 'later', lease: 1 }]);
    const now = await frozen(from);
    const difference = await planDifference(before, now);
    const applied = await applyDifference(silentContext(), to, now, difference, keeper);
    expect(applied).toMatchObject({ put: 1, deleted: 0, recovered: 1 });
    expect(await contentOf(to)).toEqual(await contentOf(from));
    const again = await applyDifference(silentContext(), to, now, difference, keeper);
    expect(again).toMatchObject({ recovered: 0 });
    expect(await contentOf(to)).toEqual(await contentOf(from));
    await keeper.close();
  });

  it('makes a target equal whose state nobody knows', async () => {
    await Promise.all([wipe(from), wipe(to)]);
    const put = (n: number, value: string, lease?: number): Operation => ({
      act: 'put',
      key: n,
      value,
      lease,
    });
    await perform(from, [put(1, 'a', 1), put(2, 'b'), put(3, 'c', 2)]);
    await perform(to, [put(1, 'older', 2), put(2, 'b', 1), put(4, 'gone')]);
    const keeper = to.keepLeases();
    const now = await frozen(from);
    const plan = await planLoad(silentContext(), to, now, { existing: 'replace' });
    await applyLoad(silentContext(), to, now, plan, keeper);
    expect(await contentOf(to)).toEqual(await contentOf(from));
    await keeper.close();
  });
});
