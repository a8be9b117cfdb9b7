import { FerryError } from '../../core/errors.js';
import { applyDifference } from '../../copy/apply-difference.js';
import { planDifference, type KeyListing } from '../../copy/difference.js';
import { applyLoad } from '../../copy/load.js';
import { planLoad } from '../../copy/load-plan.js';
import { openStore, type OpenedStore } from '../../snapshot/open/open.js';
import { carriedOf } from '../configuration.js';
import type { FactsOf } from '../facts.js';
import { factsOf } from '../engine/journal.js';
import type { Step, StepContext } from '../engine/strategy.js';

/** What the backend wrote after the snapshot, from its stopped data directory. */
export const differenceStep: Step<'difference'> = {
  id: 'difference',
  title: 'Carry over what changed since, from the stopped data directory',
  changes: 'puts and deletes keys, grants and ends leases on the target',
  downtime: true,
  async run(step) {
    const stopped = await openStore(step.source.dataDirectory, step.context);
    try {
      assertWhole(stopped);
      const now = carriedOf(step.settings, stopped);
      const carried = step.resumed ? await makeEqual(step, now) : await carryChanges(step, now);
      return {
        ...carried,
        sourceRevision: String(stopped.revision),
        walEntries: stopped.stopped?.directory.replayed.entries ?? 0,
      };
    } finally {
      stopped.close();
    }
  },
};

/** Of a backend that is one of several, others may hold more: what it acknowledged would be lost unseen. */
function assertWhole({ path, stopped }: OpenedStore): void {
  if (stopped?.agreement.doubt === undefined) return;
  throw new FerryError({
    kind: 'integrity',
    code: 'SOURCE_INCOMPLETE',
    message: `${path} alone does not tell all that was acknowledged: it is not its cluster's only voting member, or its log does not say.`,
    hint: 'For a cluster of backends stop all of them, and give all their directories to restore etcd, each with --data-dir.',
  });
}

type Carried = Omit<FactsOf<'difference'>, 'sourceRevision' | 'walEntries'>;

async function carryChanges(step: StepContext, stopped: KeyListing): Promise<Carried> {
  const { context, resources } = step;
  const snapshot = await resources.snapshot(factsOf(step.facts, 'snapshot').archive);
  const difference = await planDifference(snapshot, stopped);
  const target = await resources.target();
  const applied = await applyDifference(context, target, stopped, difference, await resources.keeper());
  return {
    keys: difference.keys,
    put: applied.put,
    deleted: applied.deleted,
    leases: applied.leases.length,
    targetRevision: String(applied.revision),
  };
}

/**
 * After a kill nobody knows how far the target came, and the leases that were held have run on: the target is
 * compared with the stopped store key by key instead. That reads both in full, and costs downtime for it.
 */
async function makeEqual(step: StepContext, stopped: KeyListing): Promise<Carried> {
  const { context, resources } = step;
  const target = await resources.target();
  const plan = await planLoad(context, target, stopped, { existing: 'replace' });
  const loaded = await applyLoad(context, target, stopped, plan, await resources.keeper());
  const { revision } = await target.range({ ...plan.part.range, countOnly: true });
  return {
    keys: plan.source.keys,
    put: loaded.written,
    deleted: loaded.deleted,
    leases: loaded.leases.length,
    targetRevision: String(revision),
  };
}
