import { spawnSync } from 'node:child_process';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePorts } from '../../src/etcd/throwaway/free-ports.js';
import type { SensuBinaries } from './options.js';
import { mustRun, until } from './processes.js';
import { administrator, answers, makeApiKey, untilKeyWorks, type SensuApi } from './sensu-api.js';

/** A host with one sensu-backend, in a folder of its own, that scripts start and stop as a service manager would. */
export interface BackendHost {
  readonly folder: string;
  readonly backendConfig: string;
  readonly envFile: string;
  /** `<state-dir>/etcd`. */
  readonly dataDirectory: string;
  readonly clientUrl: string;
  readonly apiUrl: string;
  readonly agentUrl: string;
  readonly log: string;
  readonly startCommand: string;
  readonly stopCommand: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Gives a new store its first administrator. */
  initialise(): Promise<void>;
}

/** A backend whose configuration names an etcd of its own, until something switches it. */
export async function layOutHost(folder: string, sensu: SensuBinaries): Promise<BackendHost> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const ports = (await freePorts(5)).map(String);
  const [client, peer, api, agent, dashboard] = ports as [string, string, string, string, string];
  const path = (name: string): string => join(folder, name);
  const clientUrl = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  const apiUrl = `http://127.0.0.1:${api}`;
  const settings = {
    'state-dir': path('state'),
    'cache-dir': path('cache'),
    'log-level': 'warn',
    'agent-host': '127.0.0.1',
    'agent-port': Number(agent),
    'api-listen-address': `127.0.0.1:${api}`,
    'api-url': apiUrl,
    'dashboard-host': '127.0.0.1',
    'dashboard-port': Number(dashboard),
    'disable-platform-metrics': true,
    'etcd-name': 'backend-1',
    'etcd-listen-client-urls': clientUrl,
    'etcd-advertise-client-urls': clientUrl,
    'etcd-listen-peer-urls': peerUrl,
    'etcd-initial-advertise-peer-urls': peerUrl,
    'etcd-initial-cluster': `backend-1=${peerUrl}`,
    'etcd-initial-cluster-state': 'new',
  };
  await writeFile(path('backend.yml'), stringify(settings), { mode: 0o600 });
  await writeFile(path('environment'), '', { mode: 0o600 });
  await writeFile(path('start'), startScript(folder, sensu.backend), { mode: 0o700 });
  await writeFile(path('stop'), stopScript(folder), { mode: 0o700 });
  // Before its members are ended: without them a backend takes half a minute to stop.
  process.prependOnceListener('exit', () => {
    spawnSync(path('stop'));
  });
  return {
    folder,
    backendConfig: path('backend.yml'),
    envFile: path('environment'),
    dataDirectory: path('state/etcd'),
    clientUrl,
    apiUrl,
    agentUrl: `ws://127.0.0.1:${agent}`,
    log: path('backend.log'),
    startCommand: path('start'),
    stopCommand: path('stop'),
    start: async () => {
      await mustRun(path('start'), []);
      await until(`The backend of ${folder} answers`, () => answers(apiUrl), 60);
    },
    stop: async () => {
      await mustRun(path('stop'), []);
    },
    initialise: async () => {
      await mustRun(sensu.backend, ['init', '--config-file', path('backend.yml'), ...(await storeFlags())], {
        SENSU_BACKEND_CLUSTER_ADMIN_USERNAME: administrator.username,
        SENSU_BACKEND_CLUSTER_ADMIN_PASSWORD: administrator.password,
        ...parseEnvironment(await readFile(path('environment'), 'utf8')),
      });
    },
  };

  /** `init` is a client: it reads where to advertise as where to ask, unless the file names an external etcd. */
  async function storeFlags(): Promise<readonly string[]> {
    const config = await readFile(path('backend.yml'), 'utf8');
    return config.includes('etcd-client-urls') ? [] : ['--etcd-client-urls', clientUrl];
  }
}

/** Starts the backend, gives it an administrator, makes an API key, and keeps it from phoning home. */
export async function startFresh(host: BackendHost): Promise<SensuApi> {
  await host.start();
  await host.initialise();
  const api = await makeApiKey(host.apiUrl);
  await untilKeyWorks(api);
  await api.send('PUT', '/api/core/v2/tessen', { opt_out: true });
  return api;
}

/** How much of the log there is, so that a later look can begin there. */
export async function logLength(host: BackendHost): Promise<number> {
  return (await stat(host.log)).size;
}

function parseEnvironment(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => /^\w+=/.test(line));
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
}

/** A process that has ended stays in the table until its parent asks for it. */
const runsFunction = [
  'runs() {',
  '  state=$(sed "s/.*) //;s/ .*//" "/proc/$1/stat" 2>/dev/null)',
  '  [ -n "$state" ] && [ "$state" != Z ]',
  '}',
];

/** systemd reads the environment file much as a shell does, as long as nothing in it needs an escape. */
function startScript(folder: string, backend: string): string {
  return [
    '#!/bin/sh',
    `cd '${folder}'`,
    ...runsFunction,
    '[ -e pid ] && runs "$(cat pid)" && exit 0',
    'set -a',
    '. ./environment',
    'set +a',
    // Bounded, so that a suite that is killed leaves nothing for long.
    `setsid timeout 3h '${backend}' start --config-file backend.yml >>backend.log 2>&1 </dev/null &`,
    'echo $! >pid',
    '',
  ].join('\n');
}

function stopScript(folder: string): string {
  return [
    '#!/bin/sh',
    `cd '${folder}'`,
    '[ -e pid ] || exit 0',
    ...runsFunction,
    'pid=$(cat pid)',
    'kill -TERM "$pid" 2>/dev/null',
    'for _ in $(seq 1 300); do',
    '  runs "$pid" || { rm -f pid; exit 0; }',
    '  sleep 0.1',
    'done',
    'echo "process $pid does not stop" >&2',
    'exit 1',
    '',
  ].join('\n');
}
