import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdBinaries } from '../../src/etcd/throwaway/binaries.js';
import { keepaliveTimeout } from './agents.js';
import { errorsSince, type LoggedErrors } from './backend-log.js';
import { layOutHost, logLength, startFresh, type BackendHost } from './backend-host.js';
import { startExternalEtcd, type ExternalEtcd, type LoginForm } from './external-etcd.js';
import { ferry, startFerry } from './ferry.js';
import { startLoad, type LoadResult } from './load.js';
import { roundRobinInterval, startObserver, type Observed } from './observer.js';
import type { SuiteOptions } from './options.js';
import { tail, until, type Finished } from './processes.js';
import type { Outcome, Scenario } from './scenario.js';
import type { SensuApi } from './sensu-api.js';

/** How the migration comes to its end. */
export type Course = 'straight' | 'resumed' | 'rolled-back';

/** A backend under load, its external etcd, and how to call this program for the two. */
interface Staged {
  readonly host: BackendHost;
  readonly api: SensuApi;
  readonly external: ExternalEtcd;
  readonly runDirectory: string;
  readonly args: readonly string[];
}

/** A real backend with agents and load is migrated, and watched for the minutes that known faults took to show. */
export function migration(binaries: EtcdBinaries, form: LoginForm, course: Course): Scenario {
  return {
    name: ['migrate', form, binaries.version, ...(course === 'straight' ? [] : [course])].join('-'),
    table: 'Migrations',
    run: async (options, folder) => {
      const staged = await stage(options, folder, binaries, form);
      try {
        return await migrateAndWatch(options, staged, form, course);
      } finally {
        await staged.host.stop();
        await staged.external.cluster.stop();
      }
    },
  };
}

async function stage(
  options: SuiteOptions,
  folder: string,
  binaries: EtcdBinaries,
  form: LoginForm,
): Promise<Staged> {
  const host = await layOutHost(join(folder, 'backend'), options.sensu);
  const external = await startExternalEtcd(join(folder, 'etcd'), binaries, form);
  const api = await startFresh(host);
  const apiKeyFile = join(folder, 'api-key');
  await writeFile(apiKeyFile, api.key, { mode: 0o600 });
  const runDirectory = join(folder, 'run');
  const args = [
    ...['migrate', 'embedded-to-external', ...external.connection, ...external.login],
    ...['--backend-config', host.backendConfig, '--env-file', host.envFile],
    ...['--stop-command', host.stopCommand, '--start-command', host.startCommand],
    ...['--api-key-file', apiKeyFile, '--run-dir', runDirectory, '--watch', '0', '--yes', '--json'],
  ];
  return { host, api, external, runDirectory, args };
}

async function migrateAndWatch(
  options: SuiteOptions,
  staged: Staged,
  form: LoginForm,
  course: Course,
): Promise<Outcome> {
  const { host, api } = staged;
  const observer = await startObserver(host, api, options.sensu);
  const load = startLoad(api);
  await sleep(5000);
  // Whose alert is due after the switch: the leases that say so must have come along.
  await observer.loseAgent();
  const finished = await walk(staged, course);
  const from = await logLength(host);
  await observer.begin();
  const half = (options.minutes * 60_000) / 2;
  await sleep(half);
  await observer.loseAgent();
  await sleep(half);
  const observed = await observer.finish();
  const written = await load.finish();
  return judge(form, finished, written, observed, await errorsSince(host.log, from));
}

/** Takes the migration to its end. */
async function walk(staged: Staged, course: Course): Promise<Finished> {
  if (course === 'resumed') return resume(staged);
  const finished = await startFerry(staged.args).finished;
  if (course === 'straight' || !isGood(finished)) return finished;
  return ferry(['migrate', 'rollback', '--run-dir', staged.runDirectory, '--yes', '--json']);
}

/** Kills the program when the backend has been stopped, and goes on in a second one. */
async function resume({ args, runDirectory }: Staged): Promise<Finished> {
  const { child, finished } = startFerry(args);
  const journal = join(runDirectory, 'journal.ndjson');
  const isStopped = async (): Promise<boolean> =>
    child.exitCode !== null ||
    /"type":"done"[^\n]*"step":"stop"/.test(await readFile(journal, 'utf8').catch(() => ''));
  await until('The backend is stopped', isStopped, 120);
  child.kill('SIGKILL');
  const first = await finished;
  if (first.code !== null) return first;
  return startFerry(['migrate', 'resume', '--run-dir', runDirectory, '--yes', '--json']).finished;
}

/** With warnings too: some forms of login are warned of. */
function isGood({ code }: Finished): boolean {
  return code === 0 || code === 3;
}

/** One at each end of the watch, and those that an ended agent is given until it is taken for dead. */
const excusedRuns = 2 + keepaliveTimeout / roundRobinInterval;

function judge(
  form: LoginForm,
  finished: Finished,
  written: LoadResult,
  observed: Observed,
  log: LoggedErrors,
): Outcome {
  const refused = [...written.refused].map(([status, count]) => `${count} of ${status}`).join(', ');
  const errors = log.errors.reduce((sum, { count }) => sum + count, 0);
  const { roundRobin, keepalives, switches, falseAlerts } = observed;
  // What etcd's simple tokens cost is known and warned of; it is measured here and not judged.
  const isJudged = form !== 'password-simple';
  const faults = [
    isGood(finished) ? undefined : `the migration ended with ${finished.code}: ${tail(finished)}`,
    written.lost.length === 0 ? undefined : `lost writes: ${written.lost.slice(0, 5).join('; ')}`,
    isJudged && errors > 0 ? `errors in the backend's log: ${shown(log)}` : undefined,
    isJudged && refused !== '' ? `a right API key was refused: ${refused}` : undefined,
    ...(isJudged ? [short('keepalive alerts', keepalives), short('switch alerts', switches)] : []),
    isJudged && falseAlerts.length > 0 ? `alerts without a cause: ${falseAlerts.join(', ')}` : undefined,
    roundRobin.seen >= roundRobin.expected - excusedRuns ? undefined : short('round-robin runs', roundRobin),
  ];
  return {
    cells: {
      exit: String(finished.code),
      away: downtimeOf(finished.stdout),
      'writes acknowledged': String(written.acknowledged),
      lost: String(written.lost.length),
      'events posted': String(written.events),
      'refused by the API': refused === '' ? '0' : refused,
      'round robin': `${roundRobin.seen} of ${roundRobin.expected}`,
      'keepalive alerts': `${keepalives.seen} of ${keepalives.expected}`,
      'switch alerts': `${switches.seen} of ${switches.expected}`,
      'false alerts': String(falseAlerts.length),
      'errors in the log': errors === 0 ? '0' : `${errors}: ${shown(log)}`,
      harmless: String(log.harmless),
    },
    faults: faults.filter((fault) => fault !== undefined),
  };
}

/** As the report has it; a rollback reports none. */
function downtimeOf(json: string): string {
  const milliseconds = /"downtimeMilliseconds": ?(\d+)/.exec(json)?.[1];
  return milliseconds === undefined ? '' : `${(Number(milliseconds) / 1000).toFixed(1)} s`;
}

function shown({ errors }: LoggedErrors): string {
  return errors.map(({ words, count }) => `${count} x ${words}`).join('; ');
}

interface Count {
  readonly seen: number;
  readonly expected: number;
}

function short(what: string, { seen, expected }: Count): string | undefined {
  return seen >= expected ? undefined : `${what}: ${seen} of ${expected}`;
}
