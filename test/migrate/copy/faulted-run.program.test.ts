import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missingFrom } from '../../../src/demo/writer.js';
import { readRun } from '../../../src/migrate/engine/journal.js';
import { readSecrets } from '../../../src/migrate/read-secrets.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { faultEnv, type Fault } from '../faults.js';
import { runFerry, startHost, untilJournalled, type Finished, type StagedHost } from '../staged-host.js';

const longTest = 300_000;

const migrate = (host: StagedHost, fault: Fault): Promise<Finished> =>
  runFerry(host.args, 'ignore', faultEnv(fault)).finished;

const again = (host: StagedHost, verb: 'status' | 'resume' | 'rollback'): Promise<Finished> =>
  runFerry(['migrate', verb, '--run-dir', host.runDirectory, ...(verb === 'status' ? [] : ['--yes'])])
    .finished;

async function nothingIsHalf(host: StagedHost): Promise<void> {
  const names = [...(await readdir(host.staged.directory)), ...(await readdir(host.runDirectory))];
  expect(names.filter((name) => name.endsWith('.part'))).toEqual([]);
}

async function everythingArrived(target: RunningEtcd, host: StagedHost): Promise<void> {
  const { root } = await readSecrets(host.settings);
  const client = await target.connect({ credentials: root! });
  expect(await missingFrom(client, await host.writer.stop())).toEqual([]);
}

async function filesOf(host: StagedHost): Promise<string[]> {
  const { backendConfig, envFile } = host.settings;
  return [await readFile(backendConfig, 'utf8'), await readFile(envFile, 'utf8')];
}

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

describe('a migration that was cut off', () => {
  it(
    'after the backend had begun to work on the target is not set back to the stopped store',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const { child, finished } = runFerry(host.args);
      await untilJournalled(host.runDirectory, 'start', 'done');
      child.kill('SIGKILL');
      await finished;
      // As if it had been killed before it could write that the backend was up.
      await dropLastLines(host);
      const { root } = await readSecrets(host.settings);
      const client = await target.connect({ credentials: root! });
      const key = Buffer.from('/sensu.io/events/default/written-since/check-demo');
      await client.txn({ writes: [{ type: 'put', key, value: Buffer.from('by the backend') }] });
      const resumed = await again(host, 'resume');
      expect(resumed.code, resumed.stderr).toBe(3);
      expect(await host.servedStore()).toBe('external');
      const { entries } = await client.range({ start: key, end: Buffer.concat([key, Buffer.of(0)]) });
      expect(entries[0]?.value.toString()).toBe('by the backend');
      await everythingArrived(target, host);
    },
    longTest,
  );

  it(
    'on its way back is not gone on with, but walked back to its end',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      const fault: Fault = { at: 'rename .*/backend\\.yml$', action: 'kill' };
      expect((await runFerry(host.args).finished).code).toBe(3);
      const args = ['migrate', 'rollback', '--run-dir', host.runDirectory, '--yes'];
      expect((await runFerry(args, 'ignore', faultEnv(fault)).finished).code).toBeNull();
      const resumed = await again(host, 'resume');
      expect(resumed).toMatchObject({
        code: 14,
        stderr: expect.stringContaining('ROLLBACK_BEGUN') as string,
      });
      expect((await again(host, 'status')).stdout).toContain('roll back now');
      expect((await again(host, 'rollback')).code).toBe(3);
      expect(await host.servedStore()).toBe('embedded');
      expect(await filesOf(host)).toEqual(before);
    },
    longTest,
  );

  it(
    'by Ctrl-C twice and a lost terminal still brings the backend back',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      const { child, finished } = runFerry(host.args);
      await untilJournalled(host.runDirectory, 'difference');
      child.kill('SIGINT');
      await untilJournalled(host.runDirectory, 'difference', 'failed');
      child.kill('SIGINT');
      child.kill('SIGHUP');
      const { code, stderr } = await finished;
      expect(code, stderr).toBe(130);
      expect(stderr).toContain('The backend runs on its embedded store');
      expect(await host.servedStore()).toBe('embedded');
      expect(await filesOf(host)).toEqual(before);
    },
    longTest,
  );
});

/** Takes away what the journal says from the end of the start on. */
async function dropLastLines(host: StagedHost): Promise<void> {
  const path = join(host.runDirectory, 'journal.ndjson');
  const lines = (await readFile(path, 'utf8')).split('\n');
  const end = lines.findIndex((line) => line.includes('"done"') && line.includes('"step":"start"'));
  await writeFile(path, `${lines.slice(0, end).join('\n')}\n`);
}
