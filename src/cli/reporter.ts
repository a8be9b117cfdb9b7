import type { Ora } from 'ora';
import type { Environment, Progress, Reporter } from '../core/context.js';
import { printable, printableJson, printableLines } from '../core/printable.js';
import { formatBytes, formatCount, formatDuration } from '../core/units.js';

export interface ReporterOptions {
  readonly quiet: boolean;
  /** One JSON object a line on standard error instead of words. */
  readonly json: boolean;
  readonly env: Environment;
}

/** Talk goes to standard error: as a spinner on a terminal, as lines or NDJSON elsewhere. */
export async function createReporter(
  options: ReporterOptions,
  stream: NodeJS.WriteStream = process.stderr,
): Promise<Reporter & { close(): void }> {
  const { json, quiet, env } = options;
  if (json) return jsonReporter(stream, quiet);
  // Where a line cannot be written anew, a spinner is a line for each of its steps. Some terminals do not know how
  // wide they are (`docker exec`, serial ones): ora then clears an endless number of lines.
  const canSpin = stream.isTTY && stream.columns > 0 && env['TERM'] !== 'dumb' && env['CI'] === undefined;
  if (canSpin && !quiet) return terminalReporter(stream, !env['NO_COLOR']);
  return lineReporter(stream, quiet);
}

function jsonReporter(stream: NodeJS.WriteStream, quiet: boolean): Reporter & { close(): void } {
  const write = (event: object): void => void stream.write(`${printableJson(JSON.stringify(event))}\n`);
  return {
    info: (message) => {
      // Empty lines set parts of a text apart, which here are events.
      if (!quiet && message !== '') write({ type: 'info', message });
    },
    warn: (message) => {
      write({ type: 'warning', message });
    },
    progress: atMostEvery(500, (progress) => {
      if (!quiet) write({ type: 'progress', ...progress });
    }),
    close: () => undefined,
  };
}

function lineReporter(stream: NodeJS.WriteStream, quiet: boolean): Reporter & { close(): void } {
  return {
    info: (sentence) => {
      if (!quiet) stream.write(printableLines([sentence]));
    },
    warn: (sentence) => void stream.write(printableLines([`warning: ${sentence}`])),
    progress: () => undefined,
    close: () => undefined,
  };
}

async function terminalReporter(
  stream: NodeJS.WriteStream,
  colours: boolean,
): Promise<Reporter & { close(): void }> {
  const { default: ora } = await import('ora');
  // Without discardStdin: false, ora swallows Ctrl-C and what is typed at our prompts.
  const spinner: Ora = ora({ stream, discardStdin: false, color: colours && 'cyan' });
  const beside = (line: string): void => {
    const running = spinner.isSpinning;
    if (running) spinner.stop();
    stream.write(printableLines([line]));
    if (running) spinner.start();
  };
  const pace = new Pace();
  return {
    info: beside,
    warn: (sentence) => {
      beside(`warning: ${sentence}`);
    },
    progress: atMostEvery(100, (progress) => {
      spinner.text = printable(pace.describe(progress));
      if (!spinner.isSpinning) spinner.start();
      if (progress.done === progress.total) spinner.stop();
    }),
    close: () => {
      if (spinner.isSpinning) spinner.stop();
    },
  };
}

/** Rate and time left of the task that is under way. */
class Pace {
  #task = '';
  #startedAt = 0;

  describe(progress: Progress): string {
    if (progress.task !== this.#task) {
      this.#task = progress.task;
      this.#startedAt = performance.now();
    }
    if (progress.unit === 'seconds') return describeWait(progress);
    const elapsed = performance.now() - this.#startedAt;
    const format = progress.unit === 'bytes' ? formatBytes : formatCount;
    const rate = elapsed > 0 ? (progress.done / elapsed) * 1000 : 0;
    const parts = [
      progress.total === undefined
        ? format(progress.done)
        : `${format(progress.done)} of ${format(progress.total)}`,
      `${format(Math.round(rate))}/s`,
    ];
    if (progress.total !== undefined && rate > 0) {
      parts.push(`${formatDuration(((progress.total - progress.done) / rate) * 1000)} left`);
    }
    return `${progress.task}: ${parts.join(', ')}`;
  }
}

/** Time passes at a rate that everybody knows. */
function describeWait({ task, done, total }: Progress): string {
  const left = total === undefined ? '' : `, ${formatDuration((total - done) * 1000)} left`;
  return `${task}: ${formatDuration(done * 1000)}${left}`;
}

/** Lets the last report of a task through whatever the time: a bar that stops at 98% looks like a failure. */
function atMostEvery(milliseconds: number, report: (progress: Progress) => void): Reporter['progress'] {
  let last = -Infinity;
  return (progress) => {
    const now = performance.now();
    if (now - last < milliseconds && progress.done !== progress.total) return;
    last = now;
    report(progress);
  };
}
