import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FerryError } from '../../src/core/errors.js';
import { createProcessRunner } from '../../src/host/process-runner.js';

const env = { PATH: process.env['PATH'], SECRET_OF_THE_ENVIRONMENT: 'hunter2' };
const runner = createProcessRunner(env);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'process-runner-test-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function failureOf(work: Promise<unknown>): Promise<FerryError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof FerryError) return error;
  throw new Error('no FerryError was thrown', { cause: error });
}

async function within(milliseconds: number, holds: () => Promise<boolean> | boolean): Promise<boolean> {
  const giveUpAt = performance.now() + milliseconds;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a run', () => {
  it('takes arguments as they are and keeps the two outputs apart', async () => {
    const result = await runner.run('/bin/sh', [
      '-c',
      'printf %s "$1"; echo bad >&2; exit 3',
      '-',
      'a b $HOME',
    ]);
    expect(result).toEqual({ exitCode: 3, stdout: 'a b $HOME', stderr: 'bad\n' });
  });

  it('has no exit code when a signal ended the program', async () => {
    expect((await runner.shell('kill -KILL $$')).exitCode).toBeUndefined();
  });

  it('sees the given environment and nothing of the process beside it', async () => {
    process.env['FERRY_TEST_LEAK'] = 'leaked';
    try {
      const { stdout } = await runner.run('env', [], { env: { ADDED: 'yes' } });
      expect(stdout).toContain('ADDED=yes');
      expect(stdout).toContain('SECRET_OF_THE_ENVIRONMENT=hunter2');
      expect(stdout).not.toContain('leaked');
    } finally {
      delete process.env['FERRY_TEST_LEAK'];
    }
  });

  it('cannot wait for input that nobody gives', async () => {
    expect((await runner.shell('cat; echo done', { timeoutMs: 5000 })).stdout).toBe('done\n');
  });

  it('keeps the last 64 KiB of each output', async () => {
    const { stdout } = await runner.shell('head -c 3000000 /dev/zero | tr "\\0" x; echo; echo the end');
    expect(stdout).toHaveLength(64 * 1024);
    expect(stdout.endsWith('x\nthe end\n')).toBe(true);
  });

  it('leaves no file behind', async () => {
    await createProcessRunner({ ...env, TMPDIR: folder }).shell('echo something');
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('a program that the command leaves in the background', () => {
  /** The trap: it has inherited the outputs, and a runner that waits for their end waits for ever. */
  it('does not hold the run up, and outlives it although it goes on writing', async () => {
    const log = join(folder, 'log');
    const startedAt = performance.now();
    const { exitCode, stdout } = await runner.shell(
      `(sleep 2; echo still here; echo and here >&2; echo alive >${log}) & echo $!`,
      { timeoutMs: 20_000 },
    );
    expect(exitCode).toBe(0);
    expect(Number(stdout)).toBeGreaterThan(1);
    expect(performance.now() - startedAt).toBeLessThan(1500);
    const wrote = await within(10_000, () =>
      readFile(log, 'utf8').then(
        (text) => text === 'alive\n',
        () => false,
      ),
    );
    expect(wrote).toBe(true);
  });
});

describe('Ctrl-C on the terminal', () => {
  /** The trap: the terminal interrupts every process of its foreground group, a half-done stop included. */
  it('does not reach the command, which has a session of its own', async () => {
    const { stdout } = await runner.shell('read -r stat </proc/$$/stat; echo "$$ $stat"');
    const [pid, , , , , group, session] = stdout.split(' ');
    expect([group, session]).toEqual([pid, pid]);
  });
});

describe('a command that takes too long', () => {
  it('is ended with the children it started', async () => {
    const pidFile = join(folder, 'pid');
    const failure = await failureOf(runner.shell(`sleep 60 & echo $! >${pidFile}; wait`, { timeoutMs: 300 }));
    expect(failure).toMatchObject({ kind: 'unreachable', code: 'COMMAND_TIMED_OUT' });
    const pid = Number(await readFile(pidFile, 'utf8'));
    expect(await within(5000, () => !isAlive(pid))).toBe(true);
  });

  it('is killed when it ignores SIGTERM', async () => {
    const impatient = createProcessRunner(env, { graceMs: 200 });
    const failure = await failureOf(
      impatient.shell("trap '' TERM; while :; do sleep 0.1; done", { timeoutMs: 200 }),
    );
    expect(failure.code).toBe('COMMAND_TIMED_OUT');
  }, 20_000);
});

describe('a command that cannot be started', () => {
  it('is named when it is not there', async () => {
    const failure = await failureOf(runner.run('no-such-program', ['--password', 'hunter2']));
    expect(failure).toMatchObject({ kind: 'usage', code: 'COMMAND_NOT_FOUND' });
    expect(failure.message).toContain('no-such-program');
    expect(JSON.stringify([failure.message, failure.hint, failure.cause])).not.toContain('hunter2');
  });

  it('is told apart from one that is not executable', async () => {
    const file = join(folder, 'plain-file');
    await writeFile(file, 'echo', { mode: 0o600 });
    expect(await failureOf(runner.run(file, []))).toMatchObject({
      kind: 'usage',
      code: 'COMMAND_NOT_STARTED',
    });
  });
});
