import { FerryError } from '../../core/errors.js';
import { factsOf } from '../engine/journal.js';
import { failureOf, saidOf, type Proof } from '../proof.js';
import type { Step } from '../engine/strategy.js';
import { watchBackend } from '../watch/watch.js';

/** Some faults of a backend show only minutes after its start: see docs/decisions/0015. */
export const watchStep: Step<'watch'> = {
  id: 'watch',
  title: 'the API, writes and leases with the login of the backend, its log',
  changes: 'writes a throwaway key to the target, and takes it away',
  downtime: false,
  async run(step) {
    const { facts, settings, watchFailedAt } = step;
    const sensuClusterId = factsOf(facts, 'snapshot').sensuClusterId;
    const since = new Date(watchFailedAt ?? factsOf(facts, 'start').answeredAt);
    // After a failed watch the cause was there until somebody removed it, some time before this one.
    const pastFaults = watchFailedAt === undefined ? ('counts' as const) : ('warns' as const);
    const watched = { ...step, sensuClusterId, since, pastFaults };
    const proofs = await watchBackend(watched, settings.watchSeconds);
    refuseFailures(proofs);
    return { seconds: settings.watchSeconds, proofs };
  },
};

/** @throws FerryError MIGRATION_UNVERIFIED (`integrity`), BACKEND_UNSTEADY (`failed`) */
function refuseFailures(proofs: readonly Proof[]): void {
  const kind = failureOf(proofs);
  if (kind === undefined) return;
  throw new FerryError({
    kind,
    code: kind === 'integrity' ? 'MIGRATION_UNVERIFIED' : 'BACKEND_UNSTEADY',
    message: saidOf(proofs, 'failed').join('; '),
    hint: '',
  });
}
