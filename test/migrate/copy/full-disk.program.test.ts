import { describe, expect, it } from 'vitest';
import { readRun } from '../../../src/migrate/engine/journal.js';
import { startEtcd } from '../../support/etcd.js';
import type { Fault } from '../faults.js';
import { again, filesOf, migrate, nothingIsHalf } from '../interruptions.js';
import { startHost } from '../staged-host.js';

const longTest = 300_000;

describe('a migration that meets a full disk', () => {
  const disks: readonly [string, Fault, string][] = [
    [
      'in the journal, with the backend stopped',
      { at: 'write .*/journal', nth: 9, action: 'full' },
      'JOURNAL_NOT_WRITTEN',
    ],
    ['beside backend.yml', { at: 'write .*/backend\\.yml\\.part$', action: 'full' }, 'CONFIG_NOT_WRITTEN'],
    ['in the run directory, for the originals', { at: 'write .*/original-', action: 'full' }, 'CANNOT_WRITE'],
  ];

  it.each(disks)(
    '%s brings the backend back, and says what is full',
    async (_name, fault, code) => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      const { code: exit, stderr } = await migrate(host, fault);
      expect(exit, stderr).toBe(1);
      expect(stderr).toContain(`[${code}]`);
      expect(stderr).toContain('ENOSPC');
      expect(await host.servedStore()).toBe('embedded');
      expect(await filesOf(host)).toEqual(before);
      await nothingIsHalf(host);
      // With the disk as full, the journal may not say that it is over: rollback then does, and changes nothing.
      if ((await readRun(host.runDirectory)).outcome === undefined) {
        expect((await again(host, 'rollback')).stdout).toContain('runs on its embedded store again');
        expect(await host.servedStore()).toBe('embedded');
        expect(await filesOf(host)).toEqual(before);
      }
    },
    longTest,
  );
});
