import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import { killWithUs } from './watchdog.js';

/** etcd writes this line when it has a leader and takes requests; 3.4 to 3.7 word it alike. */
const readyLine = /serving client traffic/;
const keptLogLines = 400;
/** Below a panic Go lists its calls, and where each is. */
const isOfStackTrace = /^\s|^goroutine \d|^[\w./*()-]+\(.*\)$|^created by |^$/;

/** Every child that is still running, so that none outlives this process when it ends early. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** One etcd server process. It does not outlive this process, however that ends. */
export class EtcdProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #log: string[] = [];
  #ready = false;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    running.add(child);
    const release = killWithUs(pid);
    // Not 'exit', which may come before the last lines were read.
    this.#ended = once(child, 'close').finally(() => {
      running.delete(child);
      release();
    });
    createInterface({ input: child.stderr! }).on('line', (line) => {
      this.#remember(line);
    });
  }

  static async start(program: string, args: readonly string[]): Promise<EtcdProcess> {
    const child = spawn(program, [...args, '--logger=zap', '--log-outputs=stderr'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      // An ETCD_* variable of the operator's shell would count as a flag. 3.4 asks to be told that ARM is all right.
      env: process.arch === 'arm64' ? { ETCD_UNSUPPORTED_ARCH: 'arm64' } : {},
    });
    try {
      await once(child, 'spawn');
    } catch (cause) {
      throw new FerryError({
        kind: 'usage',
        code: 'ETCD_PROGRAM_UNUSABLE',
        message: `${program} cannot be started.`,
        hint: "Give etcd by ETCD_BIN_DIR or the PATH; in the repository, 'npm run etcd' fetches it.",
        cause,
      });
    }
    return new EtcdProcess(child, child.pid!);
  }

  isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The newest lines that etcd wrote, for errors. */
  get log(): string {
    return this.#log.join('\n');
  }

  /** The newest five lines in brief: what happened and why, without times and stack traces. */
  get lastWords(): string {
    const told = this.#log.filter((line) => !isOfStackTrace.test(line));
    return told.slice(-5).map(inBrief).join(' | ');
  }

  /** Resolves to false when etcd ended, or did not come up in time. */
  async waitUntilReady(timeoutMs: number): Promise<boolean> {
    const end = Date.now() + timeoutMs;
    while (!this.#ready && this.isAlive() && Date.now() < end) await sleep(10);
    if (this.isAlive()) return this.#ready;
    await this.#ended;
    return false;
  }

  /** Sends the signal and waits for the end; after `timeoutMs` SIGKILL follows, which etcd cannot put off. */
  async end(signal: 'SIGTERM' | 'SIGKILL', timeoutMs = 10_000): Promise<void> {
    if (!this.isAlive()) return;
    this.#child.kill(signal);
    await Promise.race([this.#ended, sleep(timeoutMs, undefined, { ref: false })]);
    if (!this.isAlive()) return;
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Holds the process still, as a machine that hangs does; `resume` lets it go on. */
  suspend(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  #remember(line: string): void {
    if (readyLine.test(line)) this.#ready = true;
    this.#log.push(line);
    if (this.#log.length > keptLogLines) this.#log.shift();
  }
}

/** The message of a line, and its error if it has one; a line that is no JSON, such as a panic's, as it is. */
function inBrief(line: string): string {
  try {
    const { msg, error } = JSON.parse(line) as { msg?: string; error?: string };
    return [msg, error].filter((words) => words !== undefined).join(': ');
  } catch {
    return line;
  }
}
