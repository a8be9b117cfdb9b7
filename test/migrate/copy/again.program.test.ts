import { describe, expect, it } from 'vitest';
import { missingFrom } from '../../../src/demo/writer.js';
import { planMigration } from '../../../src/migrate/plan.js';
import { readSecrets } from '../../../src/migrate/read-secrets.js';
import { rollbackMigration } from '../../../src/migrate/engine/rollback.js';
import { applyMigration } from '../../../src/migrate/engine/run.js';
import { clusterIdKey, sensuRoot, singleKey } from '../../../src/store/sensu-root.js';
import type { LeaseId } from '../../../src/store/view.js';
import { connect } from '../../../src/etcd/connect.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { startHost, testContext, type StagedHost } from '../staged-host.js';

const longTest = 300_000;

async function migrate(
  host: StagedHost,
  runDirectory: string,
  settings = host.settings,
): ReturnType<typeof applyMigration> {
  const context = testContext();
  const secrets = await readSecrets(settings);
  const plan = await planMigration(context, settings, secrets, runDirectory);
  return applyMigration(context, plan, secrets, 'sensu-ferry test');
}

async function findingCodes(host: StagedHost): Promise<string[]> {
  const secrets = await readSecrets(host.settings);
  const plan = await planMigration(testContext(), host.settings, secrets, host.runDirectory);
  return plan.findings.map(({ code }) => code);
}

async function everythingArrived(target: RunningEtcd, host: StagedHost): Promise<void> {
  const { root } = await readSecrets(host.settings);
  const client = await target.connect({ credentials: root! });
  expect(await missingFrom(client, await host.writer.stop())).toEqual([]);
}

async function embeddedClusterId(host: StagedHost): Promise<Buffer> {
  const source = await connect({ endpoints: [host.staged.clientUrl] });
  const { entries } = await source.range(singleKey(clusterIdKey));
  await source.close();
  return entries[0]!.value;
}

describe('a target that holds this very store already', () => {
  it(
    'is brought up to date after a migration that was given up, while the store went on changing',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const failing = { ...host.settings, stopCommand: 'echo no >&2; false' };
      await expect(migrate(host, `${host.runDirectory}-1`, failing)).rejects.toMatchObject({
        code: 'STOP_COMMAND_FAILED',
      });
      expect(await findingCodes(host)).toContain('TARGET_HOLDS_EARLIER_COPY');
      const report = await migrate(host, `${host.runDirectory}-2`);
      expect(report.facts.verify.proofs.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
      // The writer has changed what the first run loaded, and the users and auth of the first run are there.
      expect(report.facts.load.written).toBeGreaterThan(0);
      expect(report.facts.load.written).toBeLessThan(report.facts.load.keys);
      expect(report.facts.grants.changes).toEqual([]);
      await everythingArrived(target, host);
    },
    longTest,
  );

  it(
    'is brought up to date after a rollback, and is known not to be used although its backend was stopped just now',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      await migrate(host, `${host.runDirectory}-1`);
      await rollbackMigration(testContext(), `${host.runDirectory}-1`);
      expect(await host.servedStore()).toBe('embedded');
      const report = await migrate(host, `${host.runDirectory}-2`);
      expect(report.facts.verify.proofs.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
      expect(await host.servedStore()).toBe('external');
      await everythingArrived(target, host);
    },
    longTest,
  );

  it(
    'is refused and left as it is when a backend works on it',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const client = await target.connect();
      const host = await startHost(target);
      // As a backend registers itself; its lease is renewed every 4 s.
      const id = 0x7a11n as LeaseId;
      await client.grantLease({ id, ttl: 12n });
      const key = Buffer.from('/sensu.io/backends/7a11');
      const value = await embeddedClusterId(host);
      await client.txn({
        writes: [
          { type: 'put', key: clusterIdKey, value },
          { type: 'put', key, value: Buffer.from('7a11'), lease: id },
        ],
      });
      client.keepLeases().hold({ id, ttl: 12n });
      const before = await client.range(sensuRoot);
      await expect(migrate(host, host.runDirectory)).rejects.toMatchObject({
        kind: 'refused',
        code: 'TARGET_IN_USE',
        message: expect.stringContaining('/sensu.io/backends/7a11') as string,
      });
      expect(await client.range(sensuRoot)).toEqual(before);
      expect(await client.auth.users()).toEqual([]);
      expect(await host.servedStore()).toBe('embedded');
    },
    longTest,
  );
});
