import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { missingFrom } from '../../../src/demo/writer.js';
import { stepIds, type StepId } from '../../../src/migrate/facts.js';
import { readRun } from '../../../src/migrate/engine/journal.js';
import { readSecrets } from '../../../src/migrate/read-secrets.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { runFerry, startHost, untilJournalled, type StagedHost } from '../staged-host.js';

async function everythingArrived(target: RunningEtcd, host: StagedHost): Promise<void> {
  const { root } = await readSecrets(host.settings);
  const client = await target.connect({ credentials: root! });
  expect(await missingFrom(client, await host.writer.stop())).toEqual([]);
}

/** Steps at which an interruption is tried: every one from the load on changes how things stand. */
const killedAt: readonly StepId[] = ['load', 'stop', 'difference', 'configure', 'start', 'verify'];

describe('a migration that is cut off', () => {
  it.each(killedAt)(
    'by kill -9 at "%s" is gone on with, and loses nothing',
    async (step) => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const { child, finished } = runFerry(host.args);
      await untilJournalled(host.runDirectory, step);
      child.kill('SIGKILL');
      await finished;

      const status = await runFerry(['migrate', 'status', '--run-dir', host.runDirectory]).finished;
      expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining('begun') as string });
      const resumed = await runFerry(['migrate', 'resume', '--run-dir', host.runDirectory, '--yes']).finished;
      expect(resumed.stderr + resumed.stdout).toContain('Migrated to');
      expect(resumed.code).toBe(3);
      expect(await host.servedStore()).toBe('external');
      expect((await readRun(host.runDirectory)).outcome).toBe('migrated');
      await everythingArrived(target, host);
    },
    300_000,
  );

  it.each(killedAt)(
    'by kill -9 at "%s" is rolled back',
    async (step) => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await readFile(host.settings.backendConfig, 'utf8');
      const { child, finished } = runFerry(host.args);
      await untilJournalled(host.runDirectory, step);
      child.kill('SIGKILL');
      await finished;

      const back = await runFerry(['migrate', 'rollback', '--run-dir', host.runDirectory, '--yes']).finished;
      expect(back.stdout).toContain('runs on its embedded store again');
      expect(await host.servedStore()).toBe('embedded');
      expect(await readFile(host.settings.backendConfig, 'utf8')).toBe(before);
    },
    300_000,
  );

  const signals = stepIds.slice(0, stepIds.indexOf('verify')).flatMap((step, index) => {
    return [[index % 2 === 0 ? 'SIGINT' : 'SIGTERM', step]] as const;
  });
  it.each(signals)(
    'by %s at "%s" leaves the backend on its embedded store',
    async (signal, step) => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await readFile(host.settings.backendConfig, 'utf8');
      // A signal that comes late still finds the backend on its way up.
      const args = host.args.map((arg) => (arg === host.settings.startCommand ? `sleep 5; ${arg}` : arg));
      const { child, finished } = runFerry(args);
      await untilJournalled(host.runDirectory, step);
      child.kill(signal);
      const { code, stderr } = await finished;
      expect(code, stderr).toBe(signal === 'SIGINT' ? 130 : 143);
      expect(await host.servedStore()).toBe('embedded');
      expect(await readFile(host.settings.backendConfig, 'utf8')).toBe(before);
      expect((await readRun(host.runDirectory)).outcome).toBe('given-up');
    },
    300_000,
  );
});
