import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { startAgent, untilAlive } from './agents.js';
import { layOutHost, startFresh, type BackendHost } from './backend-host.js';
import { ferryProgram, mustFerry } from './ferry.js';
import { until } from './processes.js';
import type { Outcome, Scenario } from './scenario.js';
import type { SensuApi, SeenEvent } from './sensu-api.js';

interface Check {
  readonly metadata: { readonly name: string };
  readonly spec: object & { readonly subscriptions: readonly string[] };
}

/** What `snapshot schedule --sensu-check` prints is given to Sensu, and run by a real agent. */
export const printedChecks: Scenario = {
  name: 'printed-checks',
  table: 'The printed Sensu checks, run by an agent',
  run: async ({ sensu }, folder) => {
    const host = await layOutHost(join(folder, 'backend'), sensu);
    try {
      const api = await startFresh(host);
      const checks = await print(host, folder);
      const agent = await startAgent(host, sensu, 'agent-1', {
        subscriptions: checks.flatMap(({ spec }) => spec.subscriptions),
      });
      try {
        await untilAlive(api, 'agent-1');
        return await runAll(api, checks);
      } finally {
        await agent.end('SIGTERM');
      }
    } finally {
      await host.stop();
    }
  },
};

async function print(host: BackendHost, folder: string): Promise<readonly Check[]> {
  const program = join(folder, 'sensu-ferry');
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' -- '${ferryProgram}' "$@"\n`, {
    mode: 0o755,
  });
  const backups = join(folder, 'backups');
  await mkdir(backups, { mode: 0o700 });
  const save = ['--endpoints', host.clientUrl, '--to', backups];
  const keep = ['--keep-daily', '7'];
  const schedule = ['snapshot', 'schedule', '--sensu-check', '--program', program, ...keep, '--', ...save];
  const { stdout } = await mustFerry(schedule);
  return parseAllDocuments(stdout).map((document) => document.toJS() as Check);
}

/** In the order in which they are printed: the snapshot first, then what looks at it. */
async function runAll(api: SensuApi, checks: readonly Check[]): Promise<Outcome> {
  const cells: Record<string, string> = {};
  const faults: string[] = [];
  for (const { metadata, spec } of checks) {
    const path = `/api/core/v2/namespaces/default/checks/${metadata.name}`;
    const put = await api.send('PUT', path, { metadata: { ...metadata, namespace: 'default' }, ...spec });
    if (put.status >= 300) faults.push(`${metadata.name} was answered ${put.status}: ${put.body}`);
    // Asked for, as its time may be a night away.
    await api.send('POST', `${path}/execute`, { check: metadata.name });
    const event = await eventOf(api, metadata.name);
    cells[metadata.name] = `status ${event.check.status}: ${event.check.output.trim().slice(0, 80)}`;
    if (event.check.status !== 0) faults.push(`${metadata.name}: ${event.check.output}`);
  }
  return { cells, faults };
}

async function eventOf(api: SensuApi, check: string): Promise<SeenEvent> {
  let event: SeenEvent | undefined;
  await until(
    `An event of ${check}`,
    async () => (event = await api.event('agent-1', check)) !== undefined,
    120,
  );
  return event!;
}
