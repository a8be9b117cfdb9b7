import { setTimeout as sleep } from 'node:timers/promises';
import type { SensuApi } from './sensu-api.js';

export interface LoadResult {
  /** Checks that the API took; it answers when they are in the store. */
  readonly acknowledged: number;
  /** Of those, what the store does not hold as acknowledged last. */
  readonly lost: readonly string[];
  /** Events that the API took; it answers before they are stored. */
  readonly events: number;
  /** Answers that a right key must not get, by status: 401, 403, 500 and the like. */
  readonly refused: ReadonlyMap<number, number>;
}

export interface Load {
  /** Ends the writers and compares what was acknowledged with what is there. */
  finish(): Promise<LoadResult>;
}

const checkNames = 50;
/** Between one write and the next, so that the machine has time for what is being watched. */
const pauseMs = 20;
/** Together with the agents' own some 17 events a second. */
const eventsEveryMs = 70;

/**
 * Writes through the API until it is told to stop: checks in a closed loop, each with a number that tells later which
 * write of it is there, and events at a steady rate. While the backend is away, both go on trying.
 */
export function startLoad(api: SensuApi): Load {
  const acknowledged = new Map<string, number>();
  const unknown = new Set<string>();
  const refused = new Map<number, number>();
  const counts = { acknowledged: 0, events: 0 };
  let stopped = false;
  const note = (status: number): void => {
    if (status >= 400) refused.set(status, (refused.get(status) ?? 0) + 1);
  };

  async function writeChecks(): Promise<void> {
    for (let number = 1; !stopped; number += 1) {
      const name = `load-${number % checkNames}`;
      const { status } = await api.send(
        'PUT',
        `/api/core/v2/namespaces/default/checks/${name}`,
        checkOf(name, number),
      );
      note(status);
      await sleep(pauseMs);
      if (status === 200 || status === 201) {
        acknowledged.set(name, number);
        unknown.delete(name);
        counts.acknowledged += 1;
      } else {
        // The answer is lost, or says nothing of what was stored.
        unknown.add(name);
        await sleep(50);
      }
    }
  }

  async function postEvents(): Promise<void> {
    for (let number = 1; !stopped; number += 1) {
      const { status } = await api.send('POST', '/api/core/v2/namespaces/default/events', eventOf(number));
      note(status);
      if (status === 201) counts.events += 1;
      await sleep(eventsEveryMs);
    }
  }

  const work = [writeChecks(), postEvents()];
  return {
    finish: async () => {
      stopped = true;
      await Promise.all(work);
      const expected = [...acknowledged].filter(([name]) => !unknown.has(name));
      return { ...counts, lost: await missing(api, expected), refused };
    },
  };
}

async function missing(api: SensuApi, expected: readonly (readonly [string, number])[]): Promise<string[]> {
  const lost: string[] = [];
  for (const [name, number] of expected) {
    const { status, body } = await api.get(`/api/core/v2/namespaces/default/checks/${name}`);
    const found = status === 200 ? (JSON.parse(body) as { interval: number }).interval : undefined;
    if (found !== number) lost.push(`${name}: ${String(found)} and not ${number}`);
  }
  return lost;
}

/** The number is the interval; the check is not published, so nothing runs it. */
function checkOf(name: string, number: number): object {
  return {
    metadata: { name, namespace: 'default' },
    command: 'true',
    interval: number,
    publish: false,
    subscriptions: ['nobody'],
  };
}

function eventOf(number: number): object {
  return {
    entity: { entity_class: 'proxy', metadata: { name: `device-${number % 100}`, namespace: 'default' } },
    check: {
      metadata: { name: 'posted', namespace: 'default' },
      interval: 60,
      status: 0,
      output: `${number}`,
    },
  };
}
