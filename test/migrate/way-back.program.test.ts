import { chmod, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createServiceControl } from '../../src/host/service-control.js';
import { readSecrets } from '../../src/migrate/read-secrets.js';
import { prefixRange } from '../../src/store/sensu-root.js';
import { startEtcd, type RunningEtcd } from '../support/etcd.js';
import { faultEnv } from './faults.js';
import {
  runFerry,
  startHost,
  testContext,
  untilJournalled,
  type Finished,
  type StagedHost,
} from './staged-host.js';

const longTest = 300_000;

function ferry(host: StagedHost, verb: string, ...options: readonly string[]): Promise<Finished> {
  return runFerry(['migrate', verb, '--run-dir', host.runDirectory, ...options]).finished;
}

/** The host's own command line with another value for one option. */
function migrateWith(host: StagedHost, option: string, value: string): Promise<Finished> {
  const at = host.args.indexOf(option) + 1;
  return runFerry(host.args.map((arg, index) => (index === at ? value : arg))).finished;
}

/** What the error says first, without its mark. */
const firstOf = ({ stderr }: Finished): string => /^error: (.*?\.)(?: |$)/m.exec(stderr)?.[1] ?? stderr;

const pidOf = (host: StagedHost): Promise<string> => readFile(join(host.staged.directory, 'pid'), 'utf8');

const filesOf = ({ settings }: StagedHost): Promise<string[]> =>
  Promise.all([settings.backendConfig, settings.envFile].map((path) => readFile(path, 'utf8')));

async function startByHand(host: StagedHost): Promise<void> {
  await createServiceControl(testContext(), host.staged).start();
  await expect.poll(() => host.servedStore(), { timeout: 60_000 }).toBe('embedded');
}

const down = expect.stringMatching(
  /^The backend is down: http.* does not answer, and its embedded etcd does not run\.$/,
) as string;
const embedded = 'The backend runs on its embedded store.';

describe('a start command that always fails', () => {
  it(
    'leaves a backend that is said to be down; once it is started by hand, the run can be closed',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      const failed = await migrateWith(host, '--start-command', 'echo no such unit >&2; exit 7');
      expect(failed).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('[MIGRATION_NOT_UNDONE]') as string,
      });
      expect(firstOf(failed)).toEqual(down);
      expect(failed.stderr).toContain('no such unit');
      expect(failed.stderr).toContain('--start-command');
      expect((await ferry(host, 'status')).stdout.split('\n')[0]).toMatch(
        /^The backend is down: .*its embedded store\.$/,
      );

      // The same command again says what was begun, not that the embedded etcd is gone.
      const again = await runFerry(host.args).finished;
      expect(again).toMatchObject({
        code: 14,
        stderr: expect.stringContaining('[ROLLBACK_BEGUN]') as string,
      });
      expect(firstOf(again)).toEqual(down);

      const stillFailing = await ferry(host, 'rollback', '--yes');
      expect(stillFailing).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('[START_COMMAND_FAILED]') as string,
      });
      expect(firstOf(stillFailing)).toEqual(down);

      const asked = await ferry(host, 'rollback');
      expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('--plan') as string });
      const plan = await ferry(host, 'rollback', '--plan', '--start-command', host.settings.startCommand);
      expect(plan.code, plan.stderr).toBe(0);
      for (const shown of [
        host.settings.startCommand,
        host.settings.stopCommand,
        ...Object.values(host.settings).slice(0, 2),
      ]) {
        expect(plan.stdout).toContain(shown);
      }

      await startByHand(host);
      const pid = await pidOf(host);
      const closed = await ferry(host, 'rollback', '--yes');
      expect(closed.code, closed.stderr).toBe(0);
      expect(closed.stdout).toContain(embedded.replace('.', ' again.'));
      expect(await pidOf(host)).toBe(pid);
      expect(await host.servedStore()).toBe('embedded');
      expect(await filesOf(host)).toEqual(before);
      expect((await ferry(host, 'status')).stdout).toMatch(
        /^The backend runs on its embedded store\.\n[^]*The run has ended/,
      );
      const ended = await ferry(host, 'rollback', '--yes');
      expect(ended).toMatchObject({ code: 14, stderr: expect.stringContaining('[RUN_ENDED]') as string });
      expect(firstOf(ended)).toBe(embedded);
    },
    longTest,
  );
});

describe('a migration that was killed with the backend stopped', () => {
  it(
    'is found by the same command, resumed with its whole downtime, and rolled back with what was written since counted',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      await chmod(host.settings.envFile, 0o644);
      const before = await filesOf(host);
      // Other commands can be given on the way on and back.
      const args = host.args.map((arg) => (arg === host.settings.startCommand ? 'exit 7' : arg));
      const { child, finished } = runFerry(args);
      await untilJournalled(host.runDirectory, 'difference');
      child.kill('SIGKILL');
      await finished;

      const again = await runFerry(host.args).finished;
      expect(again).toMatchObject({
        code: 14,
        stderr: expect.stringContaining('[RUN_UNFINISHED]') as string,
      });
      expect(firstOf(again)).toEqual(down);
      expect(again.stderr).toMatch(/migrate resume.*migrate rollback/);
      const plan = await ferry(host, 'resume', '--plan');
      // As the run will, for what the plan of the migration warned of.
      expect(plan).toMatchObject({ code: 3, stdout: expect.stringContaining('Stop the backend') as string });
      expect(plan.stdout).toMatch(/^Its plan warned:\n {2}- /m);

      const start = ['--start-command', host.settings.startCommand];
      const resumedAt = Date.now();
      const resumed = await ferry(host, 'resume', '--yes', '--json', ...start);
      expect(resumed.code, resumed.stderr).toBe(3);
      const { facts } = JSON.parse(resumed.stdout) as { facts: { start: { downtimeMilliseconds: number } } };
      expect(facts.start.downtimeMilliseconds).toBeGreaterThan(resumedAt - (await stoppedAt(host)));
      expect((await ferry(host, 'status')).stdout).toMatch(
        /^The backend runs on the external etcd[^]*The run has ended/,
      );

      await writeSince(target, host);
      const counted = await ferry(host, 'rollback', '--plan');
      expect(counted.code, counted.stderr).toBe(3);
      expect(counted.stdout).toContain('users: 1 created (erin)');
      const back = await ferry(host, 'rollback', '--yes', ...start);
      expect(back.code, back.stderr).toBe(3);
      expect(back.stdout).toContain('checks: 1 created (default/made-since), 1 changed (');
      expect(back.stdout).toContain('apikeys: 1 created (');
      expect(back.stdout).not.toContain('0123abcd-');
      expect(await host.servedStore()).toBe('embedded');
      expect(await filesOf(host)).toEqual(before);
      expect((await stat(host.settings.envFile)).mode & 0o777).toBe(0o644);
      await expectNoPassword(host);
    },
    longTest,
  );
});

/** When the journal says that the backend was to be stopped. */
async function stoppedAt({ runDirectory }: StagedHost): Promise<number> {
  const journal = await readFile(join(runDirectory, 'journal.ndjson'), 'utf8');
  return Date.parse(/"started","at":"([^"]+)","step":"stop"/.exec(journal)![1]!);
}

/** As the backend would, after the switch. */
async function writeSince(target: RunningEtcd, host: StagedHost): Promise<void> {
  const { root } = await readSecrets(host.settings);
  const client = await target.connect({ credentials: root! });
  const { entries } = await client.range(prefixRange(Buffer.from('/sensu.io/checks/')));
  const put = (key: string): { type: 'put'; key: Buffer; value: Buffer } => ({
    ...{ type: 'put', key: Buffer.from(key), value: entries[0]!.value },
  });
  await client.txn({
    writes: [
      put('/sensu.io/users/erin'),
      put('/sensu.io/apikeys/0123abcd-0000-4000-8000-00000000beef'),
      put('/sensu.io/checks/default/made-since'),
      put(entries[0]!.key.toString()),
      { type: 'delete', key: entries[1]!.key },
    ],
  });
}

async function expectNoPassword({ settings, staged }: StagedHost): Promise<void> {
  for (const name of await readdir(staged.directory)) {
    const path = join(staged.directory, name);
    if (!(await stat(path)).isFile()) continue;
    expect(await readFile(path, 'latin1'), name).not.toContain('SENSU_BACKEND_ETCD_CLIENT_PASSWORD');
  }
  expect(settings.envFile.startsWith(staged.directory)).toBe(true);
}

describe('a defect in the downtime', () => {
  it(
    'brings the backend back, as any other failure does',
    async () => {
      const target = await startEtcd({ until: 'test' });
      const host = await startHost(target);
      const before = await filesOf(host);
      const fault = { at: 'open .*/original-environment', action: 'defect' } as const;
      const ended = await runFerry(host.args, 'ignore', faultEnv(fault)).finished;
      expect(ended.code, ended.stderr).toBe(1);
      expect(firstOf(ended)).toBe(embedded);
      expect(ended.stderr).toContain('a defect of a library');
      expect(await host.servedStore()).toBe('embedded');
      expect(await filesOf(host)).toEqual(before);
    },
    longTest,
  );
});
