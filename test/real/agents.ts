import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackendHost } from './backend-host.js';
import type { SensuBinaries } from './options.js';
import { startLogged, until, type Running } from './processes.js';
import type { SensuApi } from './sensu-api.js';

export interface AgentOptions {
  readonly subscriptions: readonly string[];
  /** In front of the PATH of the checks that it runs. */
  readonly path?: string;
}

/** Seconds without a word after which the backend takes an agent for dead. */
export const keepaliveTimeout = 30;

export async function startAgent(
  host: BackendHost,
  sensu: SensuBinaries,
  name: string,
  { subscriptions, path }: AgentOptions,
): Promise<Running> {
  const folder = join(host.folder, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const flags = {
    name,
    'backend-url': host.agentUrl,
    'cache-dir': folder,
    subscriptions: subscriptions.join(','),
    'keepalive-interval': '5',
    'keepalive-warning-timeout': String(keepaliveTimeout),
    'retry-max': '2s',
    'config-file': '/dev/null',
  };
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  const switches = ['--disable-api', '--disable-sockets', '--statsd-disable', '--disable-assets'];
  return startLogged(
    sensu.agent,
    ['start', ...args, ...switches],
    join(folder, 'agent.log'),
    path === undefined ? {} : { PATH: `${path}:${process.env['PATH'] ?? ''}` },
  );
}

export async function untilAlive(api: SensuApi, agent: string): Promise<void> {
  await until(
    `The keepalive of ${agent}`,
    async () => (await api.event(agent, 'keepalive'))?.check.status === 0,
    60,
  );
}
