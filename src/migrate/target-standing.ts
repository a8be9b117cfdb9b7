import type { Context } from '../core/context.js';
import { formatCounted } from '../core/units.js';
import type { LeaseReader } from '../etcd/facets/leases.js';
import type { KvReader } from '../etcd/facets/kv.js';
import { backendsAtWork } from '../rbac/backends-at-work.js';
import { clusterIdKey, sensuRoot, singleKey } from '../store/sensu-root.js';
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
  target: KvReader & LeaseReader,
  source: StoreIdentity,
): Promise<TargetStanding> {
  const { count: keys } = await target.range({ ...sensuRoot, countOnly: true });
  if (keys === 0n) return { kind: 'empty' };
  const id = (await target.range(singleKey(clusterIdKey))).entries[0]?.value.toString('utf8');
  if (id === undefined || id !== source.sensuClusterId) return { kind: 'other-store', keys };
  const backends = await backendsAtWork(context, target, source.backends);
  return backends.length > 0 ? { kind: 'in-use', backends } : { kind: 'earlier-copy', keys };
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
          `The target holds ${formatCounted(standing.keys, 'key')} of this very store, which no backend uses: an earlier migration has left them.`,
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
          `The target already has ${formatCounted(standing.keys, 'key')} of another store under /sensu.io/.`,
          'Give an etcd without a Sensu store, or remove those keys yourself after a snapshot of that cluster.',
        ),
      ];
  }
}
