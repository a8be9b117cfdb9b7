import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EtcdClient } from '../../../src/etcd/client.js';
import {
  applyRestoreEtcd,
  planRestoreEtcd,
  type RestoreResult,
} from '../../../src/restore/etcd/restore-etcd.js';
import { openStore } from '../../../src/snapshot/open/open.js';
import { sensuRoot } from '../../../src/store/sensu-root.js';
import { enableAuth, etcdVersions, startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { silentContext } from '../../support/silent-context.js';
import { expectTruth, snapshotOf, truthOf } from './truth.js';

async function restore(client: EtcdClient, fixture: string): Promise<RestoreResult> {
  const context = silentContext();
  const source = await openStore(snapshotOf(fixture), context);
  try {
    const plan = await planRestoreEtcd(context, client, source, { tls: {} });
    return await applyRestoreEtcd(context, client, source, plan.load);
  } finally {
    source.close();
  }
}

describe.each(etcdVersions)('restore into etcd %s', (version) => {
  describe.each(['single-6.7.5', 'cluster3-6.12.0', 'kitchen-sink-6.12.0'])('of %s', (fixture) => {
    let etcd: RunningEtcd;
    let client: EtcdClient;

    beforeAll(async () => {
      etcd = await startEtcd({ version });
      client = await etcd.connect();
    });

    afterAll(async () => {
      await etcd.stop();
    });

    it('gives exactly the keys, values, leases, TTLs and ties of the truth', async () => {
      const truth = truthOf(fixture);
      const result = await restore(client, fixture);
      await expectTruth(client, truth);
      expect(result).toMatchObject({ load: { written: truth.keys.length, deleted: 0 }, raisedLeases: 0 });
      expect(result.verified.target).toEqual(result.verified.source);
    });

    it('finds nothing left to do the second time', async () => {
      const before = await client.range(sensuRoot);
      expect(await restore(client, fixture)).toMatchObject({ load: { written: 0 } });
      const { entries } = await client.range(sensuRoot);
      expect(entries.map(({ modRevision }) => modRevision)).toEqual(
        before.entries.map(({ modRevision }) => modRevision),
      );
    });

    it('refuses another store and leaves what is there as it is', async () => {
      const { revision } = await client.range(sensuRoot);
      const leases = await client.leaseIds();
      const other = fixture === 'single-6.7.5' ? 'cluster3-6.12.0' : 'single-6.7.5';
      await expect(restore(client, other)).rejects.toMatchObject({
        kind: 'refused',
        code: 'TARGET_NOT_EMPTY',
      });
      expect((await client.range(sensuRoot)).revision).toBe(revision);
      expect((await client.leaseIds()).length).toBe(leases.length);
    });
  });
});

describe('restore into three members with TLS and auth', () => {
  it.each(['single-6.7.5', 'cluster3-6.12.0'])('of %s', async (fixture) => {
    const etcd = await startEtcd({ members: 3, tls: 'client-cert', until: 'test' });
    const client = await etcd.connect({ credentials: await enableAuth(etcd) });
    await restore(client, fixture);
    await expectTruth(client, truthOf(fixture));
  });
});
