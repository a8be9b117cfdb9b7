import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { waitForBackend } from '../../../src/restore/etcd/hold-leases.js';
import type { LeaseId, Revision } from '../../../src/store/view.js';
import { startEtcd } from '../../support/etcd.js';
import { silentContext } from '../../support/silent-context.js';

it('holds leases past their time to live until a backend registers itself, and not for one that was restored', async () => {
  const etcd = await startEtcd({ until: 'test' });
  const client = await etcd.connect();
  const put = (name: string): Promise<{ revision: Revision }> =>
    client.txn({
      writes: [{ type: 'put', key: Buffer.from(`/sensu.io/backends/${name}`), value: Buffer.alloc(0) }],
    });
  const { revision } = await put('restored');
  const lease = { id: 7n as LeaseId, ttl: 2n };
  await client.grantLease(lease);
  const keeper = client.keepLeases();
  keeper.hold(lease);

  expect(await waitForBackend(silentContext(), client, revision, 3500)).toBe('by-nobody');
  expect(await client.leaseState(lease.id)).toBeDefined();

  const waiting = waitForBackend(silentContext(), client, revision, 60_000);
  await sleep(100);
  await put('started');
  expect(await waiting).toBe('by-a-backend');
  await keeper.close();
}, 30_000);
