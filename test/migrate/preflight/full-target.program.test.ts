import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { missingFrom } from '../../../src/demo/writer.js';
import type { EtcdClient } from '../../../src/etcd/client.js';
import { connect } from '../../../src/etcd/connect.js';
import { planMigration } from '../../../src/migrate/plan.js';
import { readSecrets } from '../../../src/migrate/read-secrets.js';
import { applyMigration } from '../../../src/migrate/engine/run.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { startHost, testContext, type StagedHost } from '../staged-host.js';

const longTest = 300_000;
const mib = 1024 * 1024;
const quotaBytes = 32 * mib;
/** Of another program, which shares the target. */
const foreign = Buffer.from('/other/');

/** A store large enough that a target can be full when half of it is loaded. */
async function enlargeStore(host: StagedHost): Promise<void> {
  const client = await connect({ endpoints: [host.staged.clientUrl] });
  for (let i = 0; i < 28; i += 1) {
    const key = Buffer.from(`/sensu.io/events/default/large-${String(i).padStart(2, '0')}/check`);
    await client.txn({ writes: [{ type: 'put', key, value: Buffer.alloc(mib / 2, i) }] });
  }
  await client.close();
}

/** Leaves room for half of the store. */
async function fillWithForeignKeys(client: EtcdClient, endpoint: string): Promise<void> {
  for (let i = 0; (await client.status(endpoint)).dbSize < quotaBytes - 7 * mib; i += 1) {
    const key = Buffer.concat([foreign, Buffer.from(String(i))]);
    await client.txn({ writes: [{ type: 'put', key, value: Buffer.alloc(mib / 4, 1) }] });
    // The size is told after each of etcd's commits, which come every 100 ms.
    await sleep(150);
  }
}

/** What the message tells to do. */
async function makeRoom(target: RunningEtcd, client: EtcdClient): Promise<void> {
  const etcdctl = async (...args: string[]): Promise<void> => {
    const env = { ...process.env, ETCDCTL_API: '3' };
    await promisify(execFile)(target.binaries.etcdctl, ['--endpoints', target.endpoint, ...args], { env });
  };
  await etcdctl('del', '--prefix', foreign.toString());
  const { revision } = await client.range({ start: foreign, countOnly: true });
  await etcdctl('compact', '--physical', String(revision));
  await etcdctl('defrag', '--command-timeout=60s');
  await etcdctl('alarm', 'disarm');
}

async function migrate(
  host: StagedHost,
  runDirectory: string,
  afterPlan = (): Promise<void> => Promise.resolve(),
) {
  const context = testContext();
  const secrets = await readSecrets(host.settings);
  const plan = await planMigration(context, host.settings, secrets, runDirectory);
  await afterPlan();
  return applyMigration(context, plan, secrets, 'sensu-ferry test');
}

describe('a target that is full to its quota', () => {
  it(
    'half way through the load leaves the backend where it is; with room, a second migration goes on',
    async () => {
      const target = await startEtcd({ until: 'test', quotaBytes });
      const client = await target.connect();
      const host = await startHost(target, { enableAuth: false });
      await enlargeStore(host);
      const before = await readFile(host.settings.backendConfig, 'utf8');
      const failing = migrate(host, `${host.runDirectory}-1`, () =>
        fillWithForeignKeys(client, target.endpoint),
      );
      await expect(failing).rejects.toMatchObject({
        kind: 'refused',
        code: 'ETCD_NO_SPACE',
        hint: expect.stringContaining('--quota-backend-bytes') as string,
      });
      const loaded = await client.range({ start: Buffer.from('/sensu.io/'), countOnly: true });
      expect(loaded.count).toBeGreaterThan(0n);
      expect(await host.servedStore()).toBe('embedded');
      expect(await readFile(host.settings.backendConfig, 'utf8')).toBe(before);

      await expect(migrate(host, `${host.runDirectory}-2`)).rejects.toMatchObject({ code: 'TARGET_ALARM' });
      await makeRoom(target, client);
      const report = await migrate(host, `${host.runDirectory}-3`);
      expect(report.facts.verify.proofs.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
      expect(await missingFrom(client, await host.writer.stop())).toEqual([]);
    },
    longTest,
  );

  it(
    'with the backend stopped brings it back on its embedded store',
    async () => {
      const target = await startEtcd({ until: 'test', quotaBytes });
      const host = await startHost(target, { enableAuth: false });
      const before = await readFile(host.settings.backendConfig, 'utf8');
      // Whoever shares the target fills it while the backend is being stopped.
      const { etcdctl } = target.binaries;
      const filling =
        `head -c ${mib} /dev/zero > '${host.folder}/large'; for i in $(seq 1 60); do ` +
        `'${etcdctl}' --endpoints ${target.endpoint} put /other/$i < '${host.folder}/large' || break; done`;
      const stopCommand = `(${filling}) >/dev/null 2>&1; ${host.settings.stopCommand}`;
      const filled = { ...host, settings: { ...host.settings, stopCommand } };
      await expect(migrate(filled, host.runDirectory)).rejects.toMatchObject({
        kind: 'refused',
        code: expect.stringMatching(/^(ETCD_NO_SPACE|TARGET_ALARM)$/) as string,
      });
      expect(await host.servedStore()).toBe('embedded');
      expect(await readFile(host.settings.backendConfig, 'utf8')).toBe(before);
    },
    longTest,
  );
});
