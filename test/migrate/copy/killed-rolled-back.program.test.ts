import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { startEtcd } from '../../support/etcd.js';
import { killedAt } from '../interruptions.js';
import { runFerry, startHost, untilJournalled } from '../staged-host.js';

describe('a migration that is cut off', () => {
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
});
