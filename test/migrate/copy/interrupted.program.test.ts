import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { readRun } from '../../../src/migrate/engine/journal.js';
import { stepIds } from '../../../src/migrate/facts.js';
import { startEtcd } from '../../support/etcd.js';
import { runFerry, startHost, untilJournalled } from '../staged-host.js';

describe('a migration that is cut off', () => {
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
