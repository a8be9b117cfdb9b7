import { randomBytes } from 'node:crypto';
import { chmod, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { FerryError, systemCode } from '../../core/errors.js';
import { faultOfFolder } from '../../core/folder.js';
import { isHeld, takeLinkLock } from '../../host/link-lock.js';
import { readPlainFile } from '../../core/plain-file.js';

/** How one run of `snapshot save` ended. */
export interface RunOutcome {
  readonly startedAt: Date;
  readonly endedAt: Date;
  /** Undefined when it failed. */
  readonly saved: SavedFacts | undefined;
  /** What tells these metrics from those of other runs on this machine, which have a file of their own. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * node_exporter reads files of one ending, and does not say a word of others.
 * @throws FerryError TEXTFILE_NAME (`usage`)
 */
export function checkTextfileName(path: string): void {
  if (basename(path).endsWith('.prom') && !basename(path).startsWith('.')) return;
  throw new FerryError({
    kind: 'usage',
    code: 'TEXTFILE_NAME',
    message: `The metrics file ${path} does not end in .prom, and node_exporter reads no other.`,
    hint: 'Give for example /var/lib/prometheus/node-exporter/sensu-ferry.prom.',
  });
}

export interface SavedFacts {
  readonly revision: bigint;
  /** Bytes of the etcd snapshot. */
  readonly size: number;
  /** Bytes of the file. */
  readonly storedSize: number;
  /** Undefined for a plain `.db`, whose keys are not counted. */
  readonly keys: number | undefined;
}

interface Gauge<Of> {
  readonly name: string;
  readonly help: string;
  readonly value: (of: Of) => number | bigint | undefined;
}

const ofRuns: readonly Gauge<RunOutcome>[] = [
  {
    name: 'sensu_ferry_snapshot_last_run_timestamp_seconds',
    help: 'When the last run of snapshot save ended.',
    value: ({ endedAt }) => endedAt.getTime() / 1000,
  },
  {
    name: 'sensu_ferry_snapshot_last_run_success',
    help: 'Whether it succeeded.',
    value: ({ saved }) => (saved === undefined ? 0 : 1),
  },
  {
    name: 'sensu_ferry_snapshot_last_run_duration_seconds',
    help: 'How long it took.',
    value: ({ startedAt, endedAt }) => (endedAt.getTime() - startedAt.getTime()) / 1000,
  },
];

const ofSuccesses: readonly Gauge<SavedFacts & Pick<RunOutcome, 'endedAt'>>[] = [
  {
    name: 'sensu_ferry_snapshot_last_success_timestamp_seconds',
    help: 'When the last run that succeeded ended.',
    value: ({ endedAt }) => endedAt.getTime() / 1000,
  },
  {
    name: 'sensu_ferry_snapshot_last_success_size_bytes',
    help: 'Size of its etcd snapshot.',
    value: ({ size }) => size,
  },
  {
    name: 'sensu_ferry_snapshot_last_success_stored_bytes',
    help: 'Size of the file that it is stored in.',
    value: ({ storedSize }) => storedSize,
  },
  {
    name: 'sensu_ferry_snapshot_last_success_keys',
    help: 'Live keys in it.',
    value: ({ keys }) => keys,
  },
  {
    name: 'sensu_ferry_snapshot_last_success_revision',
    help: 'Revision of etcd that it holds.',
    value: ({ revision }) => revision,
  },
];

/**
 * Writes the outcome as metrics for the textfile collector of Prometheus' node_exporter. What the last run that
 * succeeded said stays there after a failure, so that an alert on its age works. The file is replaced at once,
 * lest half of it be scraped, and readable by all, as node_exporter is another user.
 */
export async function writeTextfile(path: string, run: RunOutcome, signal: AbortSignal): Promise<void> {
  // How a run ended that was told to stop is written too; nothing in that waits for long.
  const untilStopped = signal.aborted ? new AbortController().signal : signal;
  try {
    await whileAlone(besideOf(path, 'lock'), untilStopped, async () => {
      const before = await readMetrics(path, run.labels);
      await replaceFile(path, metricsOf(run, before));
    });
  } catch (error) {
    untilStopped.throwIfAborted();
    throw cannotWrite(path, error, await faultOfFolder(dirname(path)));
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  // Not by the process id alone, which in another container may be the same, or be that of a run that was killed.
  const partPath = besideOf(path, `${randomBytes(6).toString('hex')}.part`);
  try {
    const file = await open(partPath, 'wx', 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // Whatever the umask is: nothing in it is secret.
    await chmod(partPath, 0o644);
    await rename(partPath, path);
  } catch (error) {
    await rm(partPath, { force: true });
    throw error;
  }
}

/** Beside it, so that a rename is enough; of another ending than `.prom`, or node_exporter would read it. */
function besideOf(path: string, ending: string): string {
  return join(dirname(path), `.${basename(path)}.${ending}`);
}

/** Writing takes milliseconds; whoever holds it for longer is dead. */
const deadMs = 20_000;
const pauseMs = 50;
/** Longer than a dead lock counts: others that write are let through, and what can never be locked is an error. */
const patienceMs = 30_000;

/** Of two runs that end at once, one must not put back what it read before the other wrote. */
async function whileAlone(lockPath: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  let lock = await takeLinkLock(lockPath, { staleMs: deadMs, signal });
  while (isHeld(lock)) {
    if (performance.now() > giveUpAt) throw heldTooLong(lock.file);
    await setTimeout(pauseMs, undefined, { signal });
    lock = await takeLinkLock(lockPath, { staleMs: deadMs, signal });
  }
  try {
    await work();
  } finally {
    await lock.release();
  }
}

function heldTooLong(file: string): FerryError {
  return new FerryError({
    kind: 'locked',
    code: 'TEXTFILE_LOCKED',
    message: `Its lock ${file} does not go away.`,
    hint: `Remove ${file} when no other run is writing metrics.`,
  });
}

function metricsOf(run: RunOutcome, before: ReadonlyMap<string, string>): string {
  const { endedAt, saved, labels } = run;
  return [
    ...ofRuns.map((gauge) => metric(gauge, labels, gauge.value(run))),
    ...ofSuccesses.map((gauge) =>
      metric(
        gauge,
        labels,
        saved === undefined ? before.get(gauge.name) : gauge.value({ ...saved, endedAt }),
      ),
    ),
  ].join('');
}

function metric(
  { name, help }: Pick<Gauge<never>, 'name' | 'help'>,
  labels: RunOutcome['labels'],
  value: number | bigint | string | undefined,
): string {
  if (value === undefined) return '';
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name}${labelText(labels)} ${value}\n`;
}

function labelText(labels: RunOutcome['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/["\\\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}

/** Values as they stand there, of the same labels. A file that is missing or something else has none. */
async function readMetrics(path: string, labels: RunOutcome['labels']): Promise<ReadonlyMap<string, string>> {
  const text = await readPlainFile(path, 0).catch((error: unknown) => {
    // One that may not be read holds a success, which must not be lost.
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  });
  const samples = [...text.toString('utf8').matchAll(/^(sensu_ferry_\w+)(.*) ([\d.e+-]+)$/gm)];
  const ours = samples.filter(([, , found]) => found === labelText(labels));
  return new Map(ours.map(([, name, , value]) => [name!, value!]));
}

function cannotWrite(path: string, error: unknown, noFolder: string | undefined): FerryError {
  const told = error instanceof FerryError ? error : undefined;
  const why = noFolder ?? told?.message;
  return new FerryError({
    kind: 'failed',
    code: 'TEXTFILE_NOT_WRITTEN',
    message: `The metrics file ${path} cannot be written${why === undefined ? ` (${systemCode(error) ?? 'unknown error'}).` : `: ${why}`}`,
    hint:
      told?.hint ??
      'Give a file in the directory that node_exporter reads with --collector.textfile.directory.',
    cause: error,
  });
}
