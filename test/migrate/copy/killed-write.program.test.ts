import { describe, expect, it } from 'vitest';
import { startEtcd } from '../../support/etcd.js';
import type { Fault } from '../faults.js';
import { again, everythingArrived, filesOf, migrate, nothingIsHalf } from '../interruptions.js';
import { startHost } from '../staged-host.js';

const longTest = 300_000;

describe('a migration that is killed in the middle of a write', () => {
  const writes: readonly [string, Fault][] = [
    ['of the safety snapshot', { at: 'sync .*/run/(?!journal)[^/]*\\.part$', action: 'kill' }],
    ['of the journal, when the difference was carried', { at: 'write .*/journal', nth: 10, action: 'kill' }],
    ['of the environment file', { at: 'write .*/environment\\.part$', action: 'kill' }],
    ['of the name of backend.yml', { at: 'rename .*/backend\\.yml$', action: 'kill' }],
  ];

  it.each(writes)(
    '%s is gone on with',
    async (_name, fault) => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      expect((await migrate(host, fault)).code).toBeNull();
      expect((await again(host, 'status')).code).toBe(0);
      const resumed = await again(host, 'resume');
      expect(resumed.code, resumed.stderr).toBe(3);
      expect(await host.servedStore()).toBe('external');
      await nothingIsHalf(host);
      await everythingArrived(target, host);
    },
    longTest,
  );

  it.each(writes)(
    '%s is rolled back',
    async (_name, fault) => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      expect((await migrate(host, fault)).code).toBeNull();
      const back = await again(host, 'rollback');
      expect(back.stdout).toContain('runs on its embedded store again');
      expect(await host.servedStore()).toBe('embedded');
      expect(await filesOf(host)).toEqual(before);
      await nothingIsHalf(host);
    },
    longTest,
  );
});
