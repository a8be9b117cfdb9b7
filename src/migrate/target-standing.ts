import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../core/context.js';
import { formatCount } from '../core/units.js';
import type { EtcdClient } from '../etcd/client.js';
import { backendsPrefix, clusterIdKey, prefixRange, sensuRoot, singleKey } from '../store/sensu-root.js';
import type { LeaseId, StoreEntry } from '../store/view.js';
import { refusal, warning, type Finding } from './findings.js';

/** What a target is to the store that is to be carried there. */
export type TargetStanding =
  | { readonly kind: 'empty' }
  /** Holds this very store as an earlier migration has left it; nobody uses it. */
  | { readonly kind: 'earlier-copy'; readonly keys: bigint }
  | { readonly kind: 'other-store'; readonly keys: bigint }
  | { readonly kind: 'in-use'; readonly backends: readonly string[] };

/** How a store is told from others, and its copied keys from those of backends that run on the target. */
export interface StoreIdentity {
  readonly sensuClusterId: string | undefined;
  /** Its keys under `/sensu.io/backends/`. */
  readonly backends: ReadonlySet<string>;
}

/**
 * Looks whose store the target holds, and whether a backend works on it. A backend that was stopped a moment ago is
 * told from one that runs by watching its lease, for up to half a minute.
 */
export async function lookAtStanding(
  context: Context,
  target: EtcdClient,
  source: StoreIdentity,
): Promise<TargetStanding> {
  const { count: keys } = await target.range({ ...sensuRoot, countOnly: true });
  if (keys === 0n) return { kind: 'empty' };
  const id = (await target.range(singleKey(clusterIdKey))).entries[0]?.value.toString('utf8');
  if (id === undefined || id !== source.sensuClusterId) return { kind: 'other-store', keys };
  const backends = await workingBackends(context, target, source.backends);
  return backends.length > 0 ? { kind: 'in-use', backends } : { kind: 'earlier-copy', keys };
}

/** Names of the keys under `/sensu.io/backends/`; few, as each backend has one. */
export async function backendKeys(client: Pick<EtcdClient, 'range'>): Promise<ReadonlySet<string>> {
  return new Set((await registrations(client)).map(nameOf));
}

async function registrations(client: Pick<EtcdClient, 'range'>): Promise<readonly StoreEntry[]> {
  return (await client.range(prefixRange(backendsPrefix))).entries;
}

const nameOf = ({ key }: Pick<StoreEntry, 'key'>): string => key.toString('utf8');

/** Backends that were started on the target itself: a copied key has the name that it has on the source. */
async function workingBackends(
  context: Context,
  target: EtcdClient,
  copied: ReadonlySet<string>,
): Promise<readonly string[]> {
  const suspects = (await registrations(target)).flatMap((entry) =>
    entry.lease === undefined || copied.has(nameOf(entry))
      ? []
      : [{ name: nameOf(entry), lease: entry.lease }],
  );
  if (suspects.length > 0) {
    context.report.info('Watching whether a backend still works on the target, for up to half a minute.');
  }
  const renewed = await Promise.all(suspects.map(({ lease }) => isRenewed(context, target, lease)));
  return suspects.filter((_suspect, index) => renewed[index]).map(({ name }) => name);
}

const pollMs = 500;

/**
 * A client of etcd renews a lease after a third of its time to live. When half of it has passed without that, nobody
 * is there to renew it.
 */
async function isRenewed(context: Context, target: EtcdClient, lease: LeaseId): Promise<boolean> {
  let before: bigint | undefined;
  for (;;) {
    const state = await target.leaseState(lease, { keys: false });
    if (state === undefined || state.remaining * 2n <= state.ttl) return false;
    if (before !== undefined && state.remaining > before) return true;
    before = state.remaining;
    await sleep(pollMs, undefined, { signal: context.signal });
  }
}

/** What the operator should know of it before the migration. */
export function standingFindings(standing: TargetStanding): Finding[] {
  switch (standing.kind) {
    case 'empty':
      return [];
    case 'earlier-copy':
      return [
        warning(
          'TARGET_HOLDS_EARLIER_COPY',
          `The target holds ${formatCount(standing.keys)} keys of this very store, which no backend uses: an earlier migration has left them.`,
          "They are brought up to date: what differs is replaced by what this backend has. Take a 'snapshot save' of the target first if a backend has worked there.",
        ),
      ];
    case 'in-use':
      return [
        refusal(
          'TARGET_IN_USE',
          `A backend works on the target with this very store: ${standing.backends.join(', ')} is being renewed.`,
          'Give another etcd. If that is an earlier migration of this backend, look at it with migrate status; else stop that backend first.',
        ),
      ];
    case 'other-store':
      return [
        refusal(
          'TARGET_NOT_EMPTY',
          `The target already has ${formatCount(standing.keys)} keys under /sensu.io/ that belong to another store.`,
          'Give an etcd without a Sensu store, or remove those keys yourself after a snapshot of that cluster.',
        ),
      ];
  }
}
