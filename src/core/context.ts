/** How far a task has come. `total` is absent while it cannot be known. */
export interface Progress {
  readonly task: string;
  readonly unit: 'bytes' | 'keys' | 'resources' | 'seconds';
  readonly done: number;
  readonly total?: number;
}

/** Where a task tells the operator what it does. Results are returned, not reported. */
export interface Reporter {
  info(sentence: string): void;
  warn(sentence: string): void;
  progress(progress: Progress): void;
}

interface Clock {
  now(): Date;
}

/** The environment as the process was given it. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ProcessResult {
  /** Undefined when a signal ended the process. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  /** Passed to the child beside the environment of this process: the way for a secret, never argv. */
  readonly env?: Readonly<Record<string, string>>;
  /** Takes out what this process was given to log in elsewhere, and the child has no use for. */
  readonly withholdSecrets?: boolean;
  readonly timeoutMs?: number;
}

/** Runs other programs. A command that cannot be started is a FerryError; one that exits non-zero is a result. */
export interface ProcessRunner {
  run(command: string, args: readonly string[], options?: ProcessOptions): Promise<ProcessResult>;
  /** Through `/bin/sh -c`, for commands that the operator wrote. */
  shell(command: string, options?: ProcessOptions): Promise<ProcessResult>;
}

/** What every task is given; there are no singletons. */
export interface Context {
  /** Aborted on SIGINT and SIGTERM: a task then tidies up and throws the signal's reason. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly report: Reporter;
  readonly env: Environment;
  readonly processes: ProcessRunner;
}
