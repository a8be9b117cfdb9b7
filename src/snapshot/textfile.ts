import { chmod, open, readFile, rename, rm } from 'node:fs/promises';
import { FerryError, systemCode } from '../core/errors.js';

/** How one run of `snapshot save` ended. */
export interface RunOutcome {
  readonly startedAt: Date;
  readonly endedAt: Date;
  /** Undefined when it failed. */
  readonly saved: SavedFacts | undefined;
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
export async function writeTextfile(path: string, run: RunOutcome): Promise<void> {
  const text = await metricsOf(run, path);
  const partPath = `${path}.${process.pid}.part`;
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
    throw cannotWrite(path, error);
  }
}

async function metricsOf(run: RunOutcome, path: string): Promise<string> {
  const { endedAt, saved } = run;
  const before = await readMetrics(path);
  return [
    ...ofRuns.map((gauge) => metric(gauge, gauge.value(run))),
    ...ofSuccesses.map((gauge) =>
      metric(gauge, saved === undefined ? before.get(gauge.name) : gauge.value({ ...saved, endedAt })),
    ),
  ].join('');
}

function metric(
  { name, help }: Pick<Gauge<never>, 'name' | 'help'>,
  value: number | bigint | string | undefined,
): string {
  if (value === undefined) return '';
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`;
}

/** Values as they stand there; a file that is missing or something else has none. */
async function readMetrics(path: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const samples = [...text.matchAll(/^(sensu_ferry_\w+) ([\d.e+-]+)$/gm)];
  return new Map(samples.map(([, name, value]) => [name!, value!]));
}

function cannotWrite(path: string, error: unknown): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'TEXTFILE_NOT_WRITTEN',
    message: `The metrics file ${path} cannot be written (${systemCode(error) ?? 'unknown error'}).`,
    hint: 'Give a file in the directory that node_exporter reads with --collector.textfile.directory.',
    cause: error,
  });
}
