import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configureStep } from '../../../src/migrate/copy/configure.js';
import { Journal, readRun } from '../../../src/migrate/engine/journal.js';
import type { StepContext } from '../../../src/migrate/engine/strategy.js';
import { faultEnv, type Fault } from '../faults.js';

const runner = fileURLToPath(new URL('fault-runner.mjs', import.meta.url));
const oldYml = '# ours\nstate-dir: /var/lib/sensu\netcd-name: "backend-1"\n';
const oldEnvironment = 'SLACK_CHANNEL="#monitoring"\n';
const password = 'pass "word" of sensu';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-crash-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A host's files, in a folder of their own. */
async function stage(name: string): Promise<string> {
  const place = join(folder, name);
  await mkdir(join(place, 'etc'), { recursive: true });
  await mkdir(join(place, 'run'));
  await writeFile(join(place, 'etc', 'backend.yml'), oldYml, { mode: 0o640 });
  await writeFile(join(place, 'etc', 'environment'), oldEnvironment, { mode: 0o644 });
  return place;
}

function stepAt(place: string): object {
  return {
    settings: {
      backendConfig: join(place, 'etc', 'backend.yml'),
      envFile: join(place, 'etc', 'environment'),
      endpoints: ['https://etcd-1:2379'],
      tls: {},
    },
    secrets: { sensu: { username: 'sensu', password } },
    runDirectory: join(place, 'run'),
    source: { dataDirectory: '/var/lib/sensu/etcd' },
  };
}

function stepHere(place: string): StepContext {
  return { ...stepAt(place), context: { clock: { now: () => new Date() } } } as unknown as StepContext;
}

/** Runs the step in a process of its own, which meets the fault. */
async function runWith(place: string, fault: Fault): Promise<{ signal: string | null; said: string }> {
  const child = spawn(process.execPath, [runner, JSON.stringify(stepAt(place))], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...faultEnv(fault) },
  });
  let said = '';
  child.stdout.on('data', (part: Buffer) => (said += part.toString()));
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { signal, said };
}

/** Every change that the step makes to a file, as the fault sees them. */
async function changesOf(): Promise<string[]> {
  const place = await stage('counted');
  const log = join(folder, 'changes');
  await runWith(place, { at: '^$', action: 'none', log });
  expect(await isSwitched(place)).toBe(true);
  return (await readFile(log, 'utf8')).trim().split('\n');
}

const textOf = (place: string, file: string): Promise<string> => readFile(join(place, 'etc', file), 'utf8');

async function isSwitched(place: string): Promise<boolean> {
  const yml = await textOf(place, 'backend.yml');
  const environment = await textOf(place, 'environment');
  return yml.includes('no-embed-etcd: true') && environment.includes('_PASSWORD=');
}

async function isOld(place: string): Promise<boolean> {
  return (
    (await textOf(place, 'backend.yml')) === oldYml && (await textOf(place, 'environment')) === oldEnvironment
  );
}

/** Each file is old or new, never half, and the password is in no file that others can read. */
async function filesAreWhole(place: string): Promise<void> {
  const yml = await textOf(place, 'backend.yml');
  expect(yml === oldYml || (yml.includes('no-embed-etcd: true') && yml.includes('etcd-name'))).toBe(true);
  const environment = await textOf(place, 'environment');
  expect(environment === oldEnvironment || environment.endsWith('"\n')).toBe(true);
  for (const directory of ['etc', 'run']) {
    for (const name of await readdir(join(place, directory))) {
      const path = join(place, directory, name);
      const { mode } = await stat(path);
      const isSecret = (await readFile(path, 'utf8')).includes('pass ');
      if (isSecret || directory === 'run') expect(mode & 0o077, name).toBe(0);
      if (name.endsWith('.bak')) {
        const content = await readFile(path, 'utf8');
        expect([oldYml, oldEnvironment].includes(content) || isSecret || content === yml, name).toBe(true);
      }
    }
  }
}

async function nothingIsHalf(place: string): Promise<void> {
  const names = [...(await readdir(join(place, 'etc'))), ...(await readdir(join(place, 'run')))];
  expect(names.filter((name) => name.endsWith('.part'))).toEqual([]);
}

describe('the switch of the files', () => {
  it.each([
    { added: '', kept: [] },
    { added: 'HTTPS_PROXY="http://proxy:3128"\n', kept: ['HTTPS_PROXY="http://proxy:3128"\n'] },
  ])('taken back where there was no environment file: keeps of it $kept.length lines', async (expected) => {
    const place = await stage('absent');
    const environment = join(place, 'etc', 'environment');
    await rm(environment);
    await configureStep.run(stepHere(place));
    await appendFile(environment, expected.added);
    await configureStep.undo!(stepHere(place));
    const names = (await readdir(join(place, 'etc'))).filter((name) => name.startsWith('environment'));
    expect(await Promise.all(names.map((name) => textOf(place, name)))).toEqual(expected.kept);
    for (const name of names) expect((await stat(join(place, 'etc', name))).mode & 0o777).toBe(0o600);
    await nothingIsHalf(place);
  });

  it('killed at any change: the files are whole, and the step can be gone on with and taken back', async () => {
    const changes = await changesOf();
    expect(changes.length).toBeGreaterThan(15);
    for (const [index, change] of changes.entries()) {
      const place = await stage(`killed-${index}`);
      const { signal } = await runWith(place, { at: '', nth: index + 1, action: 'kill' });
      expect(signal, change).toBe('SIGKILL');
      await filesAreWhole(place);
      const copy = join(folder, `copied-${index}`);
      await cp(place, copy, { recursive: true });

      await configureStep.run(stepHere(place));
      expect(await isSwitched(place), change).toBe(true);
      await filesAreWhole(place);
      await nothingIsHalf(place);
      await configureStep.undo!(stepHere(place));
      expect(await isOld(place), change).toBe(true);

      await configureStep.undo!(stepHere(copy));
      expect(await isOld(copy), change).toBe(true);
      await nothingIsHalf(copy);
    }
  }, 300_000);

  it('on a disk that is full from any write on: the files are as they were, and none is half there', async () => {
    const writes = (await changesOf()).filter((change) => change.startsWith('write '));
    expect(writes.length).toBeGreaterThanOrEqual(4);
    for (const [index, change] of writes.entries()) {
      const place = await stage(`full-${index}`);
      const { said } = await runWith(place, { at: '^write ', nth: index + 1, action: 'full' });
      expect(said, change).toMatch(/^FerryError (CONFIG_NOT_WRITTEN|CANNOT_WRITE)\n$/);
      expect(await isOld(place), change).toBe(true);
      await filesAreWhole(place);
      await nothingIsHalf(place);
    }
  }, 300_000);
});

describe('a journal', () => {
  it('cut off at any byte of its later lines says what was done before', async () => {
    const at = '2026-11-23T10:00:00.000Z';
    const settings = {
      ...{ backendConfig: '/b', envFile: '/e', endpoints: ['http://e:2379'], tls: {}, sourceTls: {} },
      ...{ stopCommand: 's', startCommand: 's', profile: 'documented' as const },
      ...{ auth: 'password' as const, etcdUser: 'sensu', sensuPasswordFile: '/p' },
      ...{ enableAuth: true, configOnly: false, startTimeoutSeconds: 60, watchSeconds: 0 },
    };
    const run = join(folder, 'run');
    const journal = await Journal.create(run, { type: 'begun', at, tool: 't', settings });
    const first = (await readFile(join(run, 'journal.ndjson'))).length;
    await journal.append({ type: 'started', at, step: 'stop' });
    await journal.append({ type: 'done', at, step: 'stop', facts: { stopAskedAt: at, stoppedAt: at } });
    await journal.close();
    const whole = await readFile(join(run, 'journal.ndjson'));
    for (let length = first; length <= whole.length; length += 1) {
      await writeFile(join(run, 'journal.ndjson'), whole.subarray(0, length));
      const reopened = await Journal.reopen(run);
      await reopened.append({ type: 'rolling-back', at });
      await reopened.close();
      const found = await readRun(run);
      expect(found).toMatchObject({ settings, rollbackBegun: true });
      // A line without its end may still be read, but never as another one.
      expect(found.facts.stop ?? { stopAskedAt: at, stoppedAt: at }).toEqual({
        stopAskedAt: at,
        stoppedAt: at,
      });
      if (length === whole.length) expect([...found.started]).toEqual(['stop']);
    }
  });
});
