import { setMaxListeners } from 'node:events';
import { Option, type Command } from 'commander';
import type { Context, Reporter } from '../core/context.js';
import { withDeadline } from '../core/deadline.js';
import { parseDuration } from '../core/duration.js';
import { FerryError, systemCode } from '../core/errors.js';
import { printableJson, printableLines } from '../core/printable.js';
import { refuseEmpty } from './empty-options.js';
import { ExitCode, exitCodeOf } from './exit-codes.js';
import { createReporter } from './reporter.js';

export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly progress?: string;
  readonly timeout?: string;
}

/** What a command has to say when it is done: words for a person, a document for `--json`, and how it ended. */
export interface CommandResult {
  /** A line each: `printableLines` says why they are not one text. */
  readonly lines: readonly string[];
  readonly json: unknown;
  /** `warnings` when the work is done but the operator must look at something. Default `done`. */
  readonly exit?: ExitCode;
}

/** Says several lines that are not the result: what is about to be done, or a report beside data on standard output. */
export function inform({ report }: Context, lines: readonly string[]): void {
  for (const line of lines) report.info(line);
}

/** The result of work before which something was said that the operator must look at. */
export function withWarning(result: CommandResult, warned: boolean): CommandResult {
  return warned ? { ...result, exit: ExitCode.warnings } : result;
}

/** The reason that `context.signal` is aborted with. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
  readonly signal: 'SIGINT' | 'SIGTERM';

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`Stopped by ${signal}.`);
    this.signal = signal;
  }
}

export function addOutputOptions(command: Command): Command {
  return command
    .option('--json', 'print the result as one JSON document')
    .option('--quiet', 'say only warnings and errors on standard error')
    .addOption(
      new Option('--progress <form>', 'form of what is said on standard error')
        .choices(['auto', 'json'])
        .default('auto'),
    );
}

/** The same, and a bound for what waits for servers. Not for a cut-over, which no clock may leave half done. */
export function addNetworkOptions(command: Command, timeout?: string): Command {
  return addTimeoutOption(addOutputOptions(command), timeout);
}

/** `runs` keeps to it. */
export function addTimeoutOption(command: Command, timeout?: string): Command {
  return command.option('--timeout <duration>', 'stop after so long, such as 10m', timeout);
}

/**
 * What a second signal does. `tidies-up-first`: for work that must not be left half done, as with a backend stopped.
 * npm sends Ctrl-C on, so that two signals come although the key was pressed once.
 */
type InterruptionManner = 'exits-at-once' | 'tidies-up-first';

const patience =
  'Stopping already; what was begun is put in order first. Only kill -9 would leave it as it is.';

export interface RunSettings<Options, Result> {
  readonly interruption?: InterruptionManner;
  /** What is done beyond the deadline, with the result of the work or with its failure. */
  readonly around?: (context: Context, options: Options, work: () => Promise<Result>) => Promise<Result>;
}

/**
 * Wraps the work of a command as a commander action: builds the context, whose signal ends at the deadline of
 * `--timeout` too, prints the result, turns a failure into words and an exit code. The only place from which the
 * program exits.
 */
export function runs<Options extends OutputOptions, Result extends CommandResult = CommandResult>(
  work: (context: Context, options: Options, args: readonly string[]) => Promise<Result>,
  { interruption = 'exits-at-once', around }: RunSettings<Options, Result> = {},
): (...commanderArguments: unknown[]) => Promise<void> {
  return async (...commanderArguments) => {
    const command = commanderArguments.at(-1) as Command;
    const options = command.opts<Options>();
    const code = await execute(options, interruption, (context) => {
      const bounded = async (): Promise<Result> => {
        refuseEmpty(command);
        return withDeadline(context, deadlineOf(options), (inner) => work(inner, options, command.args));
      };
      return around === undefined ? bounded() : around(context, options, bounded);
    });
    await exit(code);
  };
}

/** Milliseconds. */
function deadlineOf({ timeout }: OutputOptions): number | undefined {
  return timeout === undefined ? undefined : parseDuration(timeout, '--timeout');
}

async function execute(
  options: OutputOptions,
  interruption: InterruptionManner,
  work: (context: Context) => Promise<CommandResult>,
): Promise<ExitCode> {
  const abort = new AbortController();
  // Requests at the same time that wait for another try all listen to it: Node would warn of a leak.
  setMaxListeners(0, abort.signal);
  const reporter = await createReporter({
    quiet: options.quiet === true,
    json: options.progress === 'json',
    env: process.env,
  });
  const restoreSignals = abortOnSignals(abort, interruption, (signal) => {
    if (interruption === 'exits-at-once') process.exit(exitCodeOfSignal(signal));
    reporter.warn(patience);
  });
  const restoreDefects = interruption === 'tidies-up-first' ? abortOnDefects(abort, reporter) : noRestore;
  try {
    const { createProcessRunner } = await import('../host/process-runner.js');
    const result = await work({
      signal: abort.signal,
      clock: { now: () => new Date() },
      report: reporter,
      env: process.env,
      processes: createProcessRunner(process.env),
    });
    reporter.close();
    await print(options.json === true ? toJson(result.json) : printableLines(result.lines));
    return result.exit ?? ExitCode.done;
  } catch (error) {
    reporter.close();
    return reportFailure(abort.signal.aborted ? tellingOf(abort.signal.reason, error) : error, options);
  } finally {
    restoreSignals();
    restoreDefects();
  }
}

const noRestore = (): void => undefined;

/** A task that was told to stop may say more than that: how it has left things. */
function tellingOf(reason: unknown, error: unknown): unknown {
  return error instanceof FerryError && error.cause === reason ? error : reason;
}

/**
 * An error that nobody awaited, of a library say, must not end the program with a backend stopped: the task is told to
 * stop as by a signal, and ends with that error.
 */
function abortOnDefects(abort: AbortController, reporter: Reporter): () => void {
  const handler = (error: unknown): void => {
    const defect = error instanceof Error ? error : new Error('Something that is not an error was thrown.');
    if (abort.signal.aborted) reporter.warn(`Another error while stopping: ${defect.message}`);
    else abort.abort(defect);
  };
  process.on('uncaughtException', handler);
  process.on('unhandledRejection', handler);
  return () => {
    process.off('uncaughtException', handler);
    process.off('unhandledRejection', handler);
  };
}

/** 64-bit numbers as decimal strings: JSON numbers lose digits beyond 2^53. */
export function toJson(value: unknown): string {
  const plain = (_key: string, part: unknown): unknown => (typeof part === 'bigint' ? String(part) : part);
  return `${printableJson(JSON.stringify(value, plain, 2))}\n`;
}

/** Writes a result, and waits until it is out. A reader that has seen enough (`| head`) is no failure of ours. */
async function print(text: string): Promise<void> {
  const fault = await new Promise<unknown>((resolve) => process.stdout.write(text, resolve));
  const code = systemCode(fault);
  if (code === undefined || code === 'EPIPE') return;
  throw new FerryError({
    kind: 'failed',
    code: 'RESULT_NOT_WRITTEN',
    message: `The work is done, but its result cannot be written to standard output (${code}).`,
    hint: 'Free space where standard output leads to, and look at what was done before running this again.',
    cause: fault,
  });
}

/** Says what went wrong, on standard error and, for `--json`, as the one document on standard output. */
export function reportFailure(error: unknown, options: OutputOptions): ExitCode {
  const { exit, ...failure } = describeFailure(error);
  if (options.json === true) process.stdout.write(toJson({ error: failure }));
  const stack = process.env['SENSU_FERRY_DEBUG'] ? stackOf(error) : undefined;
  if (options.progress === 'json') {
    process.stderr.write(`${printableJson(JSON.stringify({ type: 'error', ...failure, stack }))}\n`);
    return exit;
  }
  // With --quiet nobody watches: one line is what a log or a mail wants.
  const hint = failure.hint === '' || options.quiet === true ? [] : [`hint: ${failure.hint}`];
  const lines = [`error: ${failure.message} [${failure.code}]`, ...hint, ...(stack ?? [])];
  process.stderr.write(printableLines(lines));
  return exit;
}

/**
 * Where an error and its causes came from, for reports of defects. Without the words of the causes: a parser's
 * quote what it has read, which may be a secret.
 */
function stackOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const code = 'code' in error ? ` ${String(error.code)}` : '';
  const { cause } = error;
  const causes = stackOf(cause).map((line, index) => (index === 0 ? `caused by ${line}` : line));
  return [`${error.name}${code}`, ...frames, ...causes];
}

interface DescribedFailure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly exit: ExitCode;
}

function describeFailure(error: unknown): DescribedFailure {
  if (error instanceof FerryError) {
    const { code, message, hint, kind, cause } = error;
    // The operator wanted it to end.
    if (cause instanceof Interruption) {
      return { code: 'INTERRUPTED', message, hint, exit: exitCodeOfSignal(cause.signal) };
    }
    return { code, message, hint, exit: exitCodeOf(kind) };
  }
  if (error instanceof Interruption) {
    return { code: 'INTERRUPTED', message: error.message, hint: '', exit: exitCodeOfSignal(error.signal) };
  }
  return {
    code: 'UNEXPECTED',
    message:
      error instanceof Error
        ? `${error.name}: ${error.message}`
        : 'Something that is not an error was thrown.',
    hint: 'This is a defect of sensu-ferry. Report it with the command line and SENSU_FERRY_DEBUG=1 set.',
    exit: ExitCode.failed,
  };
}

function exitCodeOfSignal(signal: Interruption['signal']): ExitCode {
  return signal === 'SIGINT' ? ExitCode.interrupted : ExitCode.terminated;
}

/** The first signal asks the task to tidy up and stop; a second one is told to `onSecond`. */
function abortOnSignals(
  abort: AbortController,
  manner: InterruptionManner,
  onSecond: (signal: Interruption['signal']) => void,
): () => void {
  // A terminal that goes away must not leave a backend stopped.
  const hangUp = manner === 'tidies-up-first' ? (['SIGHUP'] as const) : [];
  const handlers = (['SIGINT', 'SIGTERM', ...hangUp] as const).map((received) => {
    const signal = received === 'SIGHUP' ? 'SIGTERM' : received;
    const handler = (): void => {
      if (abort.signal.aborted) onSecond(signal);
      else abort.abort(new Interruption(signal));
    };
    process.on(received, handler);
    return [received, handler] as const;
  });
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

/** Leaves once what was written has left the pipe; open sockets and timers do not hold the program back. */
export async function exit(code: ExitCode): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map((stream) => flushed(stream)));
  process.exit(code);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => {
      resolve();
    });
  });
}
