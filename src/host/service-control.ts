import type { Context, ProcessResult } from '../core/context.js';
import { FerryError } from '../core/errors.js';

/** The operator's own lines for `/bin/sh -c`, such as `systemctl stop sensu-backend`. */
export interface ServiceCommands {
  readonly stopCommand: string;
  readonly startCommand: string;
}

/**
 * Both resolve when the command has ended well, which need not be when the service is down or up, and throw a
 * FerryError STOP_COMMAND_FAILED or START_COMMAND_FAILED. Neither is cut short by the context's signal, and neither gets the
 * secrets among the environment: a backend, and whatever it starts, would keep them.
 */
export interface ServiceControl {
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** systemd itself kills a service that has not stopped after 90 s. */
const timeoutMs = 120_000;

export function createServiceControl(
  { processes }: Pick<Context, 'processes'>,
  { stopCommand, startCommand }: ServiceCommands,
): ServiceControl {
  return {
    stop: async () => {
      await run(processes, 'stop', stopCommand);
    },
    start: async () => {
      await run(processes, 'start', startCommand);
    },
  };
}

type Verb = 'stop' | 'start';

async function run(processes: Context['processes'], verb: Verb, command: string): Promise<void> {
  const result = await processes
    .shell(command, { timeoutMs, withholdSecrets: true })
    .catch((error: unknown) => {
      if (!(error instanceof FerryError) || error.code !== 'COMMAND_TIMED_OUT') throw error;
      throw failed(verb, `did not end within ${timeoutMs / 1000} s and was killed`, error);
    });
  if (result.exitCode !== 0) throw failed(verb, ending(result));
}

function ending({ exitCode, stdout, stderr }: ProcessResult): string {
  const how = exitCode === undefined ? 'was ended by a signal' : `ended with exit code ${exitCode}`;
  const said = lastLines(stderr) || lastLines(stdout);
  return said === '' ? `${how} and said nothing` : `${how}: ${said}`;
}

/** The last lines as part of a sentence, at most 300 characters. */
function lastLines(text: string): string {
  // eslint-disable-next-line no-control-regex -- a terminal must not be told by a command's output what to do
  const printable = text.replace(/\x1b\[[\d;?]*[A-Za-z]/g, '').replace(/[^\P{Cc}\n]/gu, ' ');
  const lines = printable.split('\n').map((line) => line.trim());
  const joined = lines
    .filter((line) => line !== '')
    .slice(-3)
    .join(' / ');
  return joined.length > 300 ? `…${joined.slice(-299)}` : joined;
}

function failed(verb: Verb, what: string, cause?: unknown): FerryError {
  return new FerryError({
    kind: 'failed',
    code: verb === 'stop' ? 'STOP_COMMAND_FAILED' : 'START_COMMAND_FAILED',
    message: `The ${verb} command ${what}.`,
    hint: `Run it by hand, and give one that needs no terminal with --${verb}-command.`,
    cause,
  });
}
