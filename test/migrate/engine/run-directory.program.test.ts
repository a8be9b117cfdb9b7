import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal, readRun } from '../../../src/migrate/engine/journal.js';
import { readOriginal } from '../../../src/migrate/originals.js';
import { openRun, refuseUsedRun } from '../../../src/migrate/open-run.js';
import { faultOf } from '../../../src/migrate/engine/run-directory.js';
import { runFerry, testContext } from '../staged-host.js';

const at = '2026-11-30T10:00:00.000Z';

let folder: string;
let run: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-run-directory-'));
  run = join(folder, 'run');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A run whose commands leave a mark, as somebody might plant it for root to go on with. */
async function plant(): Promise<string> {
  const mark = join(folder, 'mark');
  const settings = {
    ...{ backendConfig: join(folder, 'backend.yml'), envFile: join(folder, 'env') },
    ...{ endpoints: ['http://127.0.0.1:1'], tls: {}, sourceTls: {}, sensuPasswordFile: '/nowhere' },
    ...{ stopCommand: `touch '${mark}'`, startCommand: `touch '${mark}'`, profile: 'documented' as const },
    ...{ auth: 'password' as const, etcdUser: 'sensu', enableAuth: false, configOnly: false },
    ...{ startTimeoutSeconds: 1, watchSeconds: 0 },
  };
  await writeFile(settings.backendConfig, `state-dir: ${folder}\n`);
  const journal = await Journal.create(run, { type: 'begun', at, tool: 't', settings });
  await journal.append({ type: 'started', at, step: 'stop' });
  await journal.close();
  return mark;
}

describe('a run directory that has lost the files from before the switch', () => {
  it('is refused: the external etcd would pass for the old store, and a rollback for done', async () => {
    await plant();
    const journal = await Journal.reopen(run);
    const facts = { environment: [], backendYml: [], oldStore: '/old' };
    await journal.append({ type: 'done', at, step: 'configure', facts });
    await journal.append({ type: 'ended', at, outcome: 'migrated' });
    await journal.close();
    const lost = { kind: 'refused', code: 'ORIGINALS_LOST' };
    for (const name of ['original-backend.yml', 'original-environment']) {
      await expect(openRun(run)).rejects.toMatchObject({
        ...lost,
        message: expect.stringContaining(name) as string,
      });
      await expect(refuseUsedRun(testContext(), run)).rejects.toMatchObject(lost);
      await writeFile(join(run, name), '', { mode: 0o600 });
    }
    expect((await openRun(run)).outcome).toBe('migrated');
  });
});

const unsafe = { kind: 'refused', code: 'RUN_DIRECTORY_UNSAFE' };

describe('a run directory that others can write', () => {
  it.each(['rollback', 'resume', 'status'])('is not obeyed by migrate %s', async (verb) => {
    const mark = await plant();
    await chmod(run, 0o777);
    const yes = verb === 'status' ? [] : ['--yes'];
    const { code, stderr } = await runFerry(['migrate', verb, '--run-dir', run, ...yes]).finished;
    expect(stderr).toContain('[RUN_DIRECTORY_UNSAFE]');
    expect(code).toBe(14);
    await expect(readFile(mark)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is not used for a new run', async () => {
    await mkdir(run);
    await chmod(run, 0o775);
    const begun = { type: 'begun', at, tool: 't', settings: {} as never } as const;
    await expect(Journal.create(run, begun)).rejects.toMatchObject(unsafe);
  });

  it('is in the way of a new run before its plan is made', async () => {
    await mkdir(run);
    await chmod(run, 0o777);
    await expect(refuseUsedRun(testContext(), run)).rejects.toMatchObject(unsafe);
    await rm(run, { recursive: true });
    await writeFile(run, '');
    await expect(refuseUsedRun(testContext(), run)).rejects.toMatchObject({
      kind: 'usage',
      code: 'RUN_DIRECTORY_UNUSABLE',
    });
  });

  it('is found by its real path, and by the folder in which anybody can exchange it', async () => {
    await plant();
    await symlink(run, join(folder, 'link'));
    await readRun(join(folder, 'link'));
    await chmod(run, 0o770);
    await expect(readRun(join(folder, 'link'))).rejects.toMatchObject(unsafe);
    await chmod(run, 0o700);
    await chmod(folder, 0o777);
    await expect(readRun(run)).rejects.toMatchObject(unsafe);
    await chmod(folder, 0o1777);
    await readRun(run);
  });

  it.each([
    ['of another user', { uid: 1001, mode: 0o700 }, 1000],
    ['of another user, to root too', { uid: 1001, mode: 0o700 }, 0],
    ['that the group can write', { uid: 1000, mode: 0o770 }, 1000],
    ['that everybody can write', { uid: 0, mode: 0o702 }, 0],
  ])('or one %s is not trusted', (_what, stats, own) => {
    expect(faultOf(stats, own)).toBeDefined();
  });

  it.each([
    ['of this user', { uid: 1000, mode: 0o755 }, 1000],
    ['of root', { uid: 0, mode: 0o755 }, 1000],
  ])('unlike one %s', (_what, stats, own) => {
    expect(faultOf(stats, own)).toBeUndefined();
  });
});

describe('a file of a run', () => {
  it('that is a link or a pipe is not opened, and does not hang', async () => {
    await plant();
    const journal = join(run, 'journal.ndjson');
    await rename(journal, join(folder, 'elsewhere'));
    await symlink(join(folder, 'elsewhere'), journal);
    await expect(readRun(run)).rejects.toMatchObject({ code: 'NOT_A_PLAIN_FILE', kind: 'refused' });
    await expect(Journal.reopen(run)).rejects.toMatchObject({ code: 'NOT_A_PLAIN_FILE' });
    await rm(journal);
    execFileSync('mkfifo', [journal, join(run, 'original-backend.yml')]);
    await expect(readRun(run)).rejects.toMatchObject({ code: 'NOT_A_PLAIN_FILE' });
    await expect(Journal.reopen(run)).rejects.toMatchObject({ code: 'NOT_A_PLAIN_FILE' });
    await expect(readOriginal(run, 'backend.yml')).rejects.toMatchObject({ code: 'NOT_A_PLAIN_FILE' });
  });

  it('that others can write is not put back', async () => {
    await plant();
    const kept = join(run, 'original-environment');
    await writeFile(kept, 'LD_PRELOAD=/tmp/evil.so');
    await chmod(kept, 0o666);
    await expect(readOriginal(run, 'environment')).rejects.toMatchObject(unsafe);
  });
});
