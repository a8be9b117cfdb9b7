import { describe, expect, it } from 'vitest';
import { readRun } from '../../../src/migrate/engine/journal.js';
import { startEtcd } from '../../support/etcd.js';
import { everythingArrived, killedAt } from '../interruptions.js';
import { runFerry, startHost, untilJournalled } from '../staged-host.js';

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
});
