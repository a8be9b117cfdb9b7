import { applyLoad, type LoadResult } from '../../restore/load.js';
import { planLoad } from '../../restore/load-plan.js';
import { verifyCopy } from '../../restore/verify-copy.js';
import { factsOf } from '../journal.js';
import type { Step } from '../strategy.js';

/** The bulk of the store, while the backend still runs. */
export const loadStep: Step<'load'> = {
  id: 'load',
  title: 'Load the snapshot into the target and compare the content digests',
  changes: 'writes the keys and leases of the store into the target',
  downtime: false,
  async run({ context, facts, resources }) {
    const snapshot = await resources.snapshot(factsOf(facts, 'snapshot').archive);
    const target = await resources.target();
    const plan = await planLoad(context, target, snapshot);
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
