import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { layOutHost, startFresh, type BackendHost } from './backend-host.js';
import { ferry, mustFerry } from './ferry.js';
import type { SensuBinaries } from './options.js';
import { mustRun, run, tail } from './processes.js';
import type { Outcome, Scenario } from './scenario.js';
import { administrator } from './sensu-api.js';

/** Every kind of resource with most of its fields, recorded from a store that stood still. */
const kitchenSink = fileURLToPath(
  new URL('../../../../fixtures/kitchen-sink-6.12.0/snapshot.db', import.meta.url),
);

/** Of that store. */
const recordedUser = { username: 'erin', password: 'ErinPass12' };

/** A recorded configuration goes into a fresh backend, twice, and out of it beside sensuctl. */
export const resources: Scenario = {
  name: 'resources',
  table: 'Restoring a configuration, and dumping it beside sensuctl',
  run: async ({ sensu }, folder) => {
    const host = await layOutHost(join(folder, 'backend'), sensu);
    try {
      const api = await startFresh(host);
      const apiKeyFile = join(folder, 'api-key');
      await writeFile(apiKeyFile, api.key, { mode: 0o600 });
      return await restoreAndDump(host, sensu, folder, [
        '--api-url',
        host.apiUrl,
        '--api-key-file',
        apiKeyFile,
      ]);
    } finally {
      await host.stop();
    }
  },
};

async function restoreAndDump(
  host: BackendHost,
  sensu: SensuBinaries,
  folder: string,
  api: readonly string[],
): Promise<Outcome> {
  const dump = join(folder, 'configuration.yml');
  await ferry([
    'dump',
    '--from',
    kitchenSink,
    '--with-secrets',
    '--omit',
    'events,apikeys',
    '--output',
    dump,
  ]);
  // What the API does not show, password hashes among it, is compared in etcd.
  const restore = ['restore', 'config', '--from', dump, ...api, '--endpoints', host.clientUrl, '--json'];
  const first = await ferry([...restore, '--yes']);
  const again = counts((await ferry([...restore, '--plan'])).stdout);
  const login = await run(sensu.sensuctl, configureArguments(host, folder, recordedUser)).finished;
  const ours = await mustFerry(['dump', '--endpoints', host.clientUrl, '--omit', 'events', '--accept-loss']);
  const theirs = await sensuctlDump(host, sensu, folder);
  const lines = differences(ours.stdout, theirs);
  const faults = [
    first.code === 0 || first.code === 3
      ? undefined
      : `restore config ended with ${first.code}: ${tail(first)}`,
    again.create + again.change === 0
      ? undefined
      : `a second run would write ${again.create + again.change} resources`,
    login.code === 0 ? undefined : `${recordedUser.username} cannot log in: ${tail(login)}`,
    lines.length === 0 ? undefined : `the dump is not that of sensuctl:\n${lines.slice(0, 20).join('\n')}`,
  ];
  return {
    cells: {
      'restore config': `exit ${first.code}`,
      'second run': `${again.equal} equal, ${again.create + again.change} to write, ${again.refused} refused`,
      'recorded user logs in': login.code === 0 ? 'yes' : 'no',
      'lines of the dump': String(theirs.split('\n').length),
      'lines that differ': String(lines.length),
    },
    faults: faults.filter((fault) => fault !== undefined),
  };
}

interface Counts {
  readonly create: number;
  readonly change: number;
  readonly equal: number;
  readonly refused: number;
}

function counts(json: string): Counts {
  return (JSON.parse(json) as { plan: { counts: Counts } }).plan.counts;
}

function configureArguments(
  host: BackendHost,
  folder: string,
  { username, password }: { readonly username: string; readonly password: string },
): readonly string[] {
  return [
    ...[
      'configure',
      '--non-interactive',
      '--url',
      host.apiUrl,
      '--username',
      username,
      '--password',
      password,
    ],
    ...folders(folder, username),
  ];
}

function folders(folder: string, username: string): readonly string[] {
  return [
    '--config-dir',
    join(folder, `sensuctl-${username}`),
    '--cache-dir',
    join(folder, 'sensuctl-cache'),
  ];
}

async function sensuctlDump(host: BackendHost, sensu: SensuBinaries, folder: string): Promise<string> {
  await mkdir(join(folder, 'sensuctl-cache'), { recursive: true });
  await mustRun(sensu.sensuctl, configureArguments(host, folder, administrator));
  const file = join(folder, 'sensuctl.yml');
  const what = ['dump', 'all', '--all-namespaces', '--format', 'yaml', '--file', file];
  await mustRun(sensu.sensuctl, [...what, ...folders(folder, administrator.username)]);
  return readFile(file, 'utf8');
}

/** Ours stands between two comments; sensuctl says nothing of events of all namespaces. */
function differences(ours: string, theirs: string): string[] {
  const own = ours.split('\n').filter((line) => !/^# (Dump by sensu-ferry|End of dump)/.test(line));
  const other = theirs.split('\n');
  const found: string[] = [];
  for (let line = 0; line < Math.max(own.length, other.length); line += 1) {
    if (own[line] !== other[line])
      found.push(`${line + 1}: ${own[line] ?? '(none)'} | ${other[line] ?? '(none)'}`);
  }
  return found;
}
