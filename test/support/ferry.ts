import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, onTestFinished } from 'vitest';

/** The built program. */
export const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

if (!existsSync(program)) throw new Error(`There is no ${program}: run 'npm run build'.`);

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface FerryOptions {
  /** Beside PATH: nothing of this shell's environment shall make a difference. */
  readonly env?: Readonly<Record<string, string>>;
  /** For node itself, before the program. */
  readonly nodeOptions?: readonly string[];
  readonly cwd?: string;
  /** What standard input holds, by default nothing. */
  readonly input?: string;
  /** Leaves standard input open for the test to write to. */
  readonly typing?: boolean;
}

export interface RunningFerry {
  readonly child: ChildProcess;
  readonly finished: Promise<Ended>;
}

/** A bound for what hangs; on a machine with much else to do the program takes many times as long as by itself. */
const longestMs = 150_000;

/** Ended with the test that has left them, failed or not. Hooks, too, may start the program. */
const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts the program as a user without a terminal does. */
export function startFerry(args: readonly string[], options: FerryOptions = {}): RunningFerry {
  return startProgram(process.execPath, [...(options.nodeOptions ?? []), program, ...args], options);
}

/** Starts a shell command in which `ferry` is the program, to have pipes and terminals. */
export function startShell(command: string, options: FerryOptions = {}): RunningFerry {
  const script = `ferry() { "$NODE" "$PROGRAM" "$@"; }\n${command}`;
  const env = { ...options.env, NODE: process.execPath, PROGRAM: program };
  // With a socket for its standard input bash takes itself for a remote shell, which reads the user's .bashrc.
  return startProgram('/bin/bash', ['--norc', '-c', script], { ...options, env });
}

export function startProgram(
  file: string,
  args: readonly string[],
  { env = {}, cwd, input, typing = false }: FerryOptions,
): RunningFerry {
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
    ...(cwd !== undefined && { cwd }),
    timeout: longestMs,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (part: string) => (output.stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (output.stderr += part));
  child.stdin.on('error', () => undefined);
  if (!typing) child.stdin.end(input);
  running.add(child);
  const finished = once(child, 'close').then(([code, signal]) => {
    running.delete(child);
    // Killed by the bound above; a test would otherwise only see that there is no exit code.
    if (signal === 'SIGKILL') throw new Error(`${args.join(' ')} was killed: ${output.stderr}`);
    return { code: code as number | null, ...output };
  });
  return { child, finished };
}

/**
 * Starts the program on a terminal, which `script` makes; what is typed there comes from `child.stdin`. Both of the
 * program's outputs arrive as `stdout`.
 */
export function startOnTerminal(
  args: readonly string[],
  { columns = 100, env = {} }: { readonly columns?: number; readonly env?: FerryOptions['env'] } = {},
): RunningFerry {
  const line = args.map((word) => `'${word}'`).join(' ');
  const command = `stty cols ${columns} rows 30; exec "$NODE" "$PROGRAM" ${line}`;
  return startProgram('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    typing: true,
    env: { TERM: 'xterm-256color', SHELL: '/bin/sh', NODE: process.execPath, PROGRAM: program, ...env },
  });
}

/** Resolves once the program has said so; what it says after its end was never going to come. */
export async function untilSaid({ child, finished }: RunningFerry, pattern: RegExp): Promise<void> {
  let said = '';
  const heard = new Promise<void>((resolve) => {
    const listen = (part: string): void => {
      said += part;
      if (pattern.test(said)) resolve();
    };
    child.stdout!.on('data', listen);
    child.stderr!.on('data', listen);
  });
  const ended = finished.then(({ code }) => {
    throw new Error(`It ended with ${code} and never said ${pattern}: ${said}`);
  });
  await Promise.race([heard, ended]);
}

export function ferry(args: readonly string[], options?: FerryOptions): Promise<Ended> {
  return startFerry(args, options).finished;
}

export function shell(command: string, options?: FerryOptions): Promise<Ended> {
  return startShell(command, options).finished;
}

/** A folder that goes with the test. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-cli-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const frame = /^\s+at .*[:(]/m;

/** A failure as docs/exit-codes.md has it: the code, one sentence with its name, a hint, and no stack trace. */
export function expectFailure(ended: Ended, code: number, name: string): void {
  expect(ended.stderr).toMatch(new RegExp(`^error: .+ \\[${name}\\]$`, 'm'));
  expect(ended.stderr).toMatch(/^hint: \S.+$/m);
  expectNoTrace(ended);
  expect(ended.code).toBe(code);
}

export function expectNoTrace({ stdout, stderr }: Ended): void {
  expect(stdout + stderr).not.toMatch(frame);
}

export function fixture(path: string): string {
  return fileURLToPath(new URL(`../../fixtures/${path}`, import.meta.url));
}
