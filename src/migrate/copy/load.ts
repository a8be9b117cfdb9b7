import type { Context } from '../../core/context.js';
import type { LeaseReader } from '../../etcd/facets/leases.js';
import type { KvReader } from '../../etcd/facets/kv.js';
import { applyLoad, type LoadResult } from '../../copy/load.js';
import { planLoad } from '../../copy/load-plan.js';
import { verifyCopy } from '../../copy/verify-copy.js';
import { backendsPrefix, prefixRange } from '../../store/sensu-root.js';
import type { StoreView } from '../../store/view.js';
import { throwRefusal } from '../findings.js';
import { factsOf } from '../engine/journal.js';
import type { Step } from '../engine/strategy.js';
import { lookAtStanding, standingFindings } from '../target-standing.js';

/** Preflight is minutes old, and a run that is resumed has had none. */
async function refuseUsedTarget(
  context: Context,
  target: KvReader & LeaseReader,
  sensuClusterId: string | null,
  snapshot: StoreView,
): Promise<void> {
  const backends = new Set<string>();
  for await (const batch of snapshot.entries(prefixRange(backendsPrefix))) {
    for (const { key } of batch) backends.add(key.toString('utf8'));
  }
  const identity = { sensuClusterId: sensuClusterId ?? undefined, backends };
  const standing = await lookAtStanding(context, target, identity);
  for (const finding of standingFindings(standing)) throwRefusal(finding);
}

/** The bulk of the store, while the backend still runs. */
export const loadStep: Step<'load'> = {
  id: 'load',
  title: 'Load the snapshot into the target and compare the content digests',
  changes: 'writes the keys and leases of the store into the target',
  downtime: false,
  async run({ context, facts, resources }) {
    const snapshot = await resources.snapshot(factsOf(facts, 'snapshot').archive);
    const target = await resources.target();
    await refuseUsedTarget(context, target, factsOf(facts, 'snapshot').sensuClusterId, snapshot);
    // What an earlier migration has left is brought up to date.
    const plan = await planLoad(context, target, snapshot, { existing: 'replace' });
    const loaded: LoadResult = await applyLoad(context, target, snapshot, plan, await resources.keeper());
    await verifyCopy(context, target, snapshot, { leases: loaded.leases });
    return {
      keys: plan.source.keys,
      leases: plan.source.leases,
      written: loaded.written,
      milliseconds: Math.round(loaded.milliseconds),
    };
  },
};
