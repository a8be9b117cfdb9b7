import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Environment, ProcessOptions, ProcessResult, ProcessRunner } from '../core/context.js';
import { FerryError } from '../core/errors.js';

/** Of each stream the last 64 KiB are kept: what went wrong is said at the end. */
const outputLimit = 64 * 1024;

export interface ProcessRunnerOptions {
  /** Between SIGTERM and SIGKILL, and between SIGKILL and giving up on a process that the kernel holds. Default: 5 s. */
  readonly graceMs?: number;
}

/**
 * Runs programs with `env` as their environment. A program has a session of its own, so that Ctrl-C on the
 * terminal does not end a stop or start command half way, and no standard input.
 *
 * A run ends when the program does. What it leaves in the background keeps running, with a deleted file to
 * write to: a pipe that nobody reads would end it at its first line of log.
 */
export function createProcessRunner(
  env: Environment,
  { graceMs = 5_000 }: ProcessRunnerOptions = {},
): ProcessRunner {
  return {
    run: (command, args, options = {}) => runProgram(env, { name: command, command, args, graceMs }, options),
    shell: (line, options = {}) =>
      // The line is the operator's and may hold a secret: no message repeats it.
      runProgram(env, { name: 'the command', command: '/bin/sh', args: ['-c', line], graceMs }, options),
  };
}

interface Program {
  /** For messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly graceMs: number;
}

/** What is read of execa's result. */
interface Ending {
  readonly exitCode?: number | undefined;
  /** The system's, for a program that was not started. */
  readonly code?: string | undefined;
}

async function runProgram(
  env: Environment,
  program: Program,
  options: ProcessOptions,
): Promise<ProcessResult> {
  const { execa } = await import('execa');
  const output = new OutputFiles(env['TMPDIR'] || tmpdir());
  try {
    const child = execa(program.command, program.args, {
      env: withoutGaps({ ...(options.withholdSecrets ? withoutSecrets(env) : env), ...options.env }),
      extendEnv: false,
      detached: true,
      reject: false,
      buffer: false,
      stdin: 'ignore',
      // The child gets the descriptors themselves; execa's types know only those of a shell, 3 to 9.
      stdout: output.stdout as 3,
      stderr: output.stderr as 3,
    });
    const result = await withTimeout(child, child.pid, program, options.timeoutMs);
    if (child.pid === undefined) throw notStarted(program, result);
    return { exitCode: result.exitCode, stdout: tailOf(output.stdout), stderr: tailOf(output.stderr) };
  } finally {
    output.close();
  }
}

/** What etcdctl, AWS and Sensu's own tools log in with, and by its name whatever else is one. */
const secretNames =
  /^(ETCDCTL|AWS)_|^SENSU_BACKEND_ETCD_CLIENT_|PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|(API|ACCESS|PRIVATE)_?KEY/i;

function withoutSecrets(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !secretNames.test(name)));
}

function withoutGaps(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

/** Two files without a name, readable by this user alone. */
class OutputFiles {
  readonly stdout: number;
  readonly stderr: number;

  constructor(parent: string) {
    const folder = mkdtempSync(join(parent, 'sensu-ferry-'));
    try {
      this.stdout = openSync(join(folder, 'stdout'), 'ax+', 0o600);
      this.stderr = openSync(join(folder, 'stderr'), 'ax+', 0o600);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  close(): void {
    closeSync(this.stdout);
    closeSync(this.stderr);
  }
}

function tailOf(fd: number): string {
  const { size } = fstatSync(fd);
  const bytes = Buffer.alloc(Math.min(size, outputLimit));
  const length = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
  return bytes.toString('utf8', 0, length);
}

/** Ends the whole group of a program that takes too long: SIGTERM, then SIGKILL. */
async function withTimeout(
  ended: Promise<Ending>,
  pid: number | undefined,
  program: Program,
  timeoutMs: number | undefined,
): Promise<Ending> {
  if (timeoutMs === undefined || pid === undefined) return ended;
  const result = await within(ended, timeoutMs);
  if (result !== undefined) return result;
  signalGroup(pid, 'SIGTERM');
  await within(ended, program.graceMs);
  // Also when the program itself has gone: its children may have ignored SIGTERM.
  signalGroup(pid, 'SIGKILL');
  await within(ended, program.graceMs);
  throw timedOut(program, timeoutMs);
}

async function within<Value>(promise: Promise<Value>, milliseconds: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, milliseconds, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone, or what is left of it belongs to another user, as after sudo.
  }
}

function timedOut({ name }: Program, timeoutMs: number): FerryError {
  return new FerryError({
    kind: 'unreachable',
    code: 'COMMAND_TIMED_OUT',
    message: `${capitalised(name)} did not end within ${timeoutMs / 1000} s and was killed.`,
    hint: 'Run it by hand to see what it waits for.',
  });
}

/** Says nothing of arguments and environment, and carries no cause: execa's errors hold the command line. */
function notStarted({ name }: Program, { code }: Ending): FerryError {
  if (code === 'ENOENT') {
    return new FerryError({
      kind: 'usage',
      code: 'COMMAND_NOT_FOUND',
      message: `There is no command ${name}.`,
      hint: 'Install it, or check its name and the PATH.',
    });
  }
  return new FerryError({
    kind: 'usage',
    code: 'COMMAND_NOT_STARTED',
    message: `${capitalised(name)} cannot be started (${code ?? 'unknown reason'}).`,
    hint: 'Check that this user may execute it.',
  });
}

function capitalised(name: string): string {
  return name === 'the command' ? 'The command' : name;
}
