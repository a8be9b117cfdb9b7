import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { killWithUs } from '../../src/etcd/throwaway/watchdog.js';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of the suite's that runs until it is ended; it does not outlive the suite. */
export interface Running {
  readonly pid: number;
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts a program whose output goes to a log file. */
export async function startLogged(
  program: string,
  args: readonly string[],
  log: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const descriptor = openSync(log, 'a', 0o600);
  const child = spawn(program, args, {
    stdio: ['ignore', descriptor, descriptor],
    env: { ...process.env, ...env },
  });
  closeSync(descriptor);
  await once(child, 'spawn');
  const release = killWithUs(child.pid!);
  const ended = once(child, 'exit').finally(release);
  return {
    pid: child.pid!,
    end: async (signal) => {
      child.kill(signal);
      await Promise.race([ended, sleep(20_000, undefined, { ref: false })]);
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Runs a program to its end. Its standard input is empty. */
export function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { readonly child: ChildProcess; readonly finished: Promise<Finished> } {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    timeout: 30 * 60_000,
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (part: Buffer) => (output.stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => (output.stderr += part.toString()));
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }));
  return { child, finished };
}

/** Runs a program that must succeed. */
export async function mustRun(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const finished = await run(program, args, env).finished;
  if (finished.code === 0) return finished;
  throw new Error(`${program} ${args.slice(0, 3).join(' ')} ended with ${finished.code}:\n${tail(finished)}`);
}

export function tail({ stdout, stderr }: Finished): string {
  return [stdout.slice(-1500), stderr.slice(-3000)].filter((text) => text !== '').join('\n');
}

/** Asks until the answer is true. @throws Error that says what was waited for */
export async function until(what: string, isSo: () => Promise<boolean>, seconds: number): Promise<void> {
  const giveUpAt = performance.now() + seconds * 1000;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`${what}: not within ${seconds} s.`);
    await sleep(200);
  }
}
