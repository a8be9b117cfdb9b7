import { setTimeout as sleep } from 'node:timers/promises';
import { keepaliveTimeout, startAgent, untilAlive } from './agents.js';
import type { BackendHost } from './backend-host.js';
import type { SensuBinaries } from './options.js';
import type { Running } from './processes.js';
import type { SensuApi } from './sensu-api.js';

export interface Observed {
  /** Runs of the round-robin check that were seen, and that its interval lets expect. */
  readonly roundRobin: { readonly seen: number; readonly expected: number };
  /** Agents that were ended, and alerts that came for them. */
  readonly keepalives: { readonly seen: number; readonly expected: number };
  /** Checks with a time to live that were no longer fed, and alerts that came for them. */
  readonly switches: { readonly seen: number; readonly expected: number };
  /** Agents that lived and checks that were fed, and raised an alert nevertheless. */
  readonly falseAlerts: readonly string[];
}

/** Agents and checks on a backend that show whether its leases, switches and schedules live. */
export interface Observer {
  /** Ends one agent and starves one check: both must raise an alert by themselves. */
  loseAgent(): Promise<void>;
  /** From now on runs are counted. */
  begin(): Promise<void>;
  /** Waits for alerts that are due, counts, and ends the agents. */
  finish(): Promise<Observed>;
}

/** Seconds. */
export const roundRobinInterval = 10;
const timeToLive = 30;
/** Until an alert is due at the latest: the time-out, a switch's own pace, and an election. */
const alertSeconds = keepaliveTimeout + 60;
const namespace = '/api/core/v2/namespaces/default';

export async function startObserver(
  host: BackendHost,
  api: SensuApi,
  sensu: SensuBinaries,
): Promise<Observer> {
  const start = (name: string): Promise<Running> =>
    startAgent(host, sensu, name, { subscriptions: ['round-robin'] });
  const lasting = [await start('agent-1'), await start('agent-2')];
  const doomed = new Map([
    ['agent-3', await start('agent-3')],
    ['agent-4', await start('agent-4')],
  ]);
  for (const name of ['agent-1', 'agent-2', ...doomed.keys()]) await untilAlive(api, name);
  await api.send('PUT', `${namespace}/checks/taken-in-turn`, roundRobinCheck);
  const fed = new Set(['feed-1', 'feed-2']);
  const feeding = setInterval(() => {
    for (const name of fed) void api.send('POST', `${namespace}/events`, fedEvent(name));
  }, 5000);
  const lost: string[] = [];
  const starved: string[] = [];
  const seen = new Set<number>();
  let begun = 0;
  let polling: NodeJS.Timeout | undefined;

  return {
    loseAgent: async () => {
      const [name, agent] = [...doomed][0]!;
      doomed.delete(name);
      await agent.end('SIGKILL');
      lost.push(name);
      const feed = [...fed][0]!;
      fed.delete(feed);
      starved.push(feed);
    },
    begin: async () => {
      await forgetRuns(api, seen);
      begun = Date.now();
      polling = setInterval(() => void noteRuns(api, seen), 3000);
    },
    finish: async () => {
      const counted = [...seen].filter((executed) => executed * 1000 >= begun).length;
      const expected = Math.floor((Date.now() - begun) / 1000 / roundRobinInterval);
      clearInterval(polling);
      const alerts = await untilAlerts(api, lost, starved);
      const falseAlerts = [
        ...(await everFailing(api, ['agent-1', 'agent-2', ...doomed.keys()], 'keepalive')),
        ...(await everFailing(api, [...fed], 'fed')),
      ];
      clearInterval(feeding);
      await Promise.all([...lasting, ...doomed.values()].map((agent) => agent.end('SIGTERM')));
      return { roundRobin: { seen: counted, expected }, ...alerts, falseAlerts };
    },
  };
}

const roundRobinCheck = {
  metadata: { name: 'taken-in-turn', namespace: 'default' },
  command: 'true',
  interval: roundRobinInterval,
  publish: true,
  round_robin: true,
  subscriptions: ['round-robin'],
};

function fedEvent(name: string): object {
  return {
    entity: { entity_class: 'proxy', metadata: { name, namespace: 'default' } },
    check: {
      metadata: { name: 'fed', namespace: 'default' },
      interval: 5,
      ttl: timeToLive,
      status: 0,
      output: 'alive',
    },
  };
}

/** Each run goes to one of the agents, whose event has the last time and some before. */
async function noteRuns(api: SensuApi, seen: Set<number>): Promise<void> {
  for (const agent of ['agent-1', 'agent-2', 'agent-3', 'agent-4']) {
    const event = await api.event(agent, 'taken-in-turn');
    for (const { executed } of event?.check.history ?? []) seen.add(executed);
  }
}

async function forgetRuns(api: SensuApi, seen: Set<number>): Promise<void> {
  await noteRuns(api, seen);
  seen.clear();
}

async function untilAlerts(
  api: SensuApi,
  agents: readonly string[],
  feeds: readonly string[],
): Promise<Pick<Observed, 'keepalives' | 'switches'>> {
  const giveUpAt = performance.now() + alertSeconds * 1000;
  for (;;) {
    const keepalives = await countFailing(api, agents, 'keepalive');
    const switches = await countFailing(api, feeds, 'fed');
    const complete = keepalives === agents.length && switches === feeds.length;
    if (complete || performance.now() > giveUpAt) {
      return {
        keepalives: { seen: keepalives, expected: agents.length },
        switches: { seen: switches, expected: feeds.length },
      };
    }
    await sleep(1000);
  }
}

async function countFailing(api: SensuApi, entities: readonly string[], check: string): Promise<number> {
  let failing = 0;
  for (const entity of entities) {
    if (((await api.event(entity, check))?.check.status ?? 0) !== 0) failing += 1;
  }
  return failing;
}

/** An alert that has passed stays in the history. */
async function everFailing(api: SensuApi, entities: readonly string[], check: string): Promise<string[]> {
  const failing: string[] = [];
  for (const entity of entities) {
    const event = await api.event(entity, check);
    const statuses = [event?.check.status, ...(event?.check.history ?? []).map(({ status }) => status)];
    if (event === undefined || statuses.some((status) => status !== 0)) failing.push(`${check} of ${entity}`);
  }
  return failing;
}
