import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../core/context.js';
import type { KvReader } from '../etcd/facets/kv.js';
import type { LeaseReader } from '../etcd/facets/leases.js';
import { backendsPrefix, prefixRange } from '../store/sensu-root.js';
import type { LeaseId, StoreEntry } from '../store/view.js';

/** Names of the keys under `/sensu.io/backends/`; few, as each backend has one. */
export async function backendKeys(client: KvReader): Promise<ReadonlySet<string>> {
  return new Set((await registrations(client)).map(nameOf));
}

/**
 * Backends that work on this etcd, by their keys there. A key proves nothing: a backend that was stopped leaves it for
 * a while, and a restored store holds those of the source. So its lease is watched, for up to half a minute. Keys in
 * `known` are passed over.
 */
export async function backendsAtWork(
  context: Pick<Context, 'signal' | 'report'>,
  client: KvReader & LeaseReader,
  known: ReadonlySet<string> = new Set(),
): Promise<readonly string[]> {
  const suspects = (await registrations(client)).flatMap((entry) =>
    entry.lease === undefined || known.has(nameOf(entry))
      ? []
      : [{ name: nameOf(entry), lease: entry.lease }],
  );
  if (suspects.length > 0) {
    context.report.info('Watching whether a backend still works on the target, for up to half a minute.');
  }
  const renewed = await Promise.all(suspects.map(({ lease }) => isRenewed(context, client, lease)));
  return suspects.filter((_suspect, index) => renewed[index]).map(({ name }) => name);
}

async function registrations(client: KvReader): Promise<readonly StoreEntry[]> {
  return (await client.range(prefixRange(backendsPrefix))).entries;
}

const nameOf = ({ key }: Pick<StoreEntry, 'key'>): string => key.toString('utf8');

const pollMs = 500;

/**
 * A client of etcd renews a lease after a third of its time to live. When half of it has passed without that, nobody
 * is there to renew it.
 */
async function isRenewed(
  { signal }: Pick<Context, 'signal'>,
  client: LeaseReader,
  lease: LeaseId,
): Promise<boolean> {
  let before: bigint | undefined;
  for (;;) {
    const state = await client.leaseState(lease, { keys: false });
    if (state === undefined || state.remaining * 2n <= state.ttl) return false;
    if (before !== undefined && state.remaining > before) return true;
    before = state.remaining;
    await sleep(pollMs, undefined, { signal });
  }
}
