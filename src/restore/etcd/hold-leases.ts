import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../core/context.js';
import type { KvReader } from '../../etcd/facets/kv.js';
import { backendsPrefix, prefixRange } from '../../store/sensu-root.js';
import type { Revision } from '../../store/view.js';

/** Who has the leases now: a backend, or nobody, because none came in time. */
export type LeaseTakeover = 'by-a-backend' | 'by-nobody';

const pollMs = 1000;

/**
 * Waits, while a keeper holds the leases, until a backend registers itself on the store. Not longer: a lease that is
 * still held then would keep Sensu from noticing an agent that is dead.
 * @param since A backend's registration is newer than this revision; those that were restored are not.
 */
export async function waitForBackend(
  context: Pick<Context, 'signal' | 'report'>,
  client: KvReader,
  since: Revision,
  milliseconds: number,
): Promise<LeaseTakeover> {
  const beganAt = performance.now();
  const registered = {
    ...prefixRange(backendsPrefix),
    minModRevision: (since + 1n) as Revision,
    keysOnly: true,
  };
  for (;;) {
    const { entries } = await client.range(registered);
    if (entries.length > 0) return 'by-a-backend';
    const left = milliseconds - (performance.now() - beganAt);
    if (left <= 0) return 'by-nobody';
    const total = Math.round(milliseconds / 1000);
    const done = Math.floor((milliseconds - left) / 1000);
    context.report.progress({ task: 'Holding leases until a backend starts', unit: 'seconds', done, total });
    await sleep(Math.min(pollMs, left), undefined, { signal: context.signal }).catch(() => undefined);
    context.signal.throwIfAborted();
  }
}
