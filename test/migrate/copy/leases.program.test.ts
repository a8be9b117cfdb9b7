import { expect, it } from 'vitest';
import { missingFrom } from '../../../src/demo/writer.js';
import { connect } from '../../../src/etcd/connect.js';
import { planMigration } from '../../../src/migrate/plan.js';
import { readSecrets } from '../../../src/migrate/read-secrets.js';
import { applyMigration } from '../../../src/migrate/engine/run.js';
import { singleKey } from '../../../src/store/sensu-root.js';
import type { LeaseId } from '../../../src/store/view.js';
import { startEtcd } from '../../support/etcd.js';
import { startHost, testContext } from '../staged-host.js';

const keyOf = (name: string): Buffer => Buffer.from(`/sensu.io/switchsets/test/${name}`);

it('a lease that ends on the source after the load ends on the target too, and one that lives keeps its keys', async () => {
  const target = await startEtcd({ until: 'test' });
  const host = await startHost(target);
  const source = await connect({ endpoints: [host.staged.clientUrl] });
  const [short, long, renewed] = [0x51n, 0x52n, 0x53n] as LeaseId[] as [LeaseId, LeaseId, LeaseId];
  const ttls = [
    [short, 'short', 45n],
    [long, 'long', 900n],
    [renewed, 'renewed', 20n],
  ] as const;
  for (const [id, name, ttl] of ttls) {
    await source.grantLease({ id, ttl });
    await source.txn({ writes: [{ type: 'put', key: keyOf(name), value: Buffer.from(name), lease: id }] });
  }
  // Renewed as an agent's keepalive would; the short one has little left when it is copied.
  source.keepLeases().hold({ id: renewed, ttl: 20n });

  // The stop waits until the short lease has ended on the source, while the migration holds its copy.
  const gone = `'${target.binaries.etcdctl}' --endpoints ${host.staged.clientUrl} get '${keyOf('short').toString()}'`;
  const stopCommand = `while ${gone} | grep -q short; do sleep 0.2; done; ${host.settings.stopCommand}`;
  const settings = { ...host.settings, stopCommand };
  const secrets = await readSecrets(settings);
  const plan = await planMigration(testContext(), settings, secrets, host.runDirectory);
  const report = await applyMigration(testContext(), plan, secrets, 'sensu-ferry test');
  await source.close();

  expect(report.facts.verify.proofs).toContainEqual(
    expect.objectContaining({ what: 'content digest of the target at the switch', outcome: 'proven' }),
  );
  const client = await target.connect({ credentials: secrets.root! });
  expect((await client.range(singleKey(keyOf('short')))).entries).toEqual([]);
  expect(await client.leaseState(short)).toBeUndefined();
  const kept = (await client.range(singleKey(keyOf('long')))).entries[0];
  expect(kept).toMatchObject({ lease: long, value: Buffer.from('long') });
  expect((await client.leaseState(long))?.ttl).toBe(900n);
  expect(await missingFrom(client, await host.writer.stop())).toEqual([]);
}, 300_000);
