import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import type { LeaseKeeper } from '../../src/etcd/facets/leases.js';
import type { Lease, LeaseId } from '../../src/store/view.js';
import { enableAuth, oldestAndNewestEtcd, startEtcd } from '../support/etcd.js';

const leasesOf = (count: number, ttl: bigint): Lease[] =>
  Array.from({ length: count }, (_, index) => ({ id: BigInt(index + 1) as LeaseId, ttl }));

async function grant(client: EtcdClient, leases: readonly Lease[]): Promise<void> {
  await Promise.all(leases.map((lease) => client.grantLease(lease)));
}

async function alive(client: EtcdClient, leases: readonly Lease[]): Promise<number> {
  const states = await Promise.all(leases.map(({ id }) => client.leaseState(id, { keys: false })));
  return states.filter((state) => state !== undefined && state.remaining >= 0n).length;
}

function keep(client: EtcdClient, leases: readonly Lease[]): LeaseKeeper {
  const keeper = client.keepLeases();
  for (const lease of leases) keeper.hold(lease);
  return keeper;
}

// Side by side: they wait most of their time.
const each = test.concurrent.for(oldestAndNewestEtcd);

each('leases of etcd %s live as long as they are held, and end after', async (version, context) => {
  const { expect } = context;
  const etcd = await startEtcd({ version, until: context });
  const client = await etcd.connect();
  const leases = leasesOf(3, 3n);
  await grant(client, leases);
  const keeper = keep(client, leases);
  await sleep(7000);
  expect(await alive(client, leases)).toBe(3);
  keeper.release(leases[0]!.id);
  await expect.poll(() => alive(client, leases), { timeout: 10_000, interval: 200 }).toBe(2);
  expect(keeper.lost.size).toBe(0);
});

test.concurrent('a lease that ends although it is held is told', async (context) => {
  const { expect } = context;
  const etcd = await startEtcd({ until: context });
  const client = await etcd.connect();
  const leases = leasesOf(2, 3n);
  await grant(client, leases);
  const keeper = keep(client, leases);
  await client.revokeLease(leases[0]!.id);
  await expect.poll(() => [...keeper.lost], { timeout: 5000 }).toEqual([leases[0]!.id]);
});

test.concurrent('2,000 leases of few seconds are held at once', async (context) => {
  const { expect } = context;
  const etcd = await startEtcd({ until: context });
  const client = await etcd.connect();
  const leases = leasesOf(2000, 6n);
  await grant(client, leases);
  const keeper = keep(client, leases);
  await sleep(10_000);
  expect(await alive(client, leases)).toBe(2000);
  expect(keeper.lost.size).toBe(0);
});

// The stream of a member that hangs reports no error; one that dies breaks it.
test.concurrent.for(['kill', 'suspend'] as const)(
  'renewals move on from a member on %s',
  async (fault, context) => {
    const { expect } = context;
    const etcd = await startEtcd({ members: 3, until: context });
    const client = await etcd.connect();
    const observer = await etcd.connect({ endpoints: [etcd.endpoints[2]!] });
    const leases = leasesOf(5, 12n);
    await grant(client, leases);
    const keeper = keep(client, leases);
    // Long enough for a first renewal, so that the stream is open on the member that now fails.
    await sleep(5000);
    const first = etcd.members[0]!;
    await first[fault]();
    await sleep(17_000);
    expect(await alive(observer, leases)).toBe(5);
    expect(keeper.lost.size).toBe(0);
  },
);

test.concurrent('the stream outlives the token that it was opened with', async (context) => {
  const { expect } = context;
  const etcd = await startEtcd({ flags: ['--auth-token-ttl=1'], until: context });
  const credentials = await enableAuth(etcd);
  const client = await etcd.connect({ credentials });
  const leases = leasesOf(2, 3n);
  await grant(client, leases);
  const keeper = keep(client, leases);
  await sleep(4000);
  await etcd.members[0]!.stop();
  await etcd.members[0]!.start();
  await sleep(6000);
  expect(await alive(client, leases)).toBe(2);
  expect(keeper.lost.size).toBe(0);
});

test.concurrent('a client that is closed stops renewing, at once', async (context) => {
  const { expect } = context;
  const etcd = await startEtcd({ until: context });
  const [client, observer] = [await etcd.connect(), await etcd.connect()];
  const leases = leasesOf(1, 2n);
  await grant(client, leases);
  keep(client, leases);
  etcd.members[0]!.suspend();
  await sleep(1500);
  const began = performance.now();
  await client.close();
  expect(performance.now() - began).toBeLessThan(1000);
  etcd.members[0]!.resume();
  await expect.poll(() => alive(observer, leases), { timeout: 10_000, interval: 200 }).toBe(0);
});
