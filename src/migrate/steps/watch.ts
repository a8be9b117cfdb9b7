import { FerryError } from '../../core/errors.js';
import { factsOf } from '../journal.js';
import { saidOf, type Proof } from '../proof.js';
import type { Step } from '../strategy.js';
import { watchBackend } from '../watch/watch.js';

/** Some faults of a backend show only minutes after its start: see docs/decisions/0015. */
export const watchStep: Step<'watch'> = {
  id: 'watch',
  title: 'the API, writes and leases with the login of the backend, its log',
  changes: 'writes a throwaway key to the target, and takes it away',
  downtime: false,
  async run(step) {
    const { facts, settings } = step;
    const sensuClusterId = factsOf(facts, 'snapshot').sensuClusterId;
    const since = new Date(factsOf(facts, 'start').answeredAt);
    const proofs = await watchBackend({ ...step, sensuClusterId, since }, settings.watchSeconds);
    refuseFailures(proofs);
    return { seconds: settings.watchSeconds, proofs };
  },
};

/** @throws FerryError MIGRATION_UNVERIFIED (`integrity`), BACKEND_UNSTEADY (`failed`) */
export function refuseFailures(proofs: readonly Proof[]): void {
  const failures = saidOf(proofs, 'failed');
  if (failures.length === 0) return;
  const disproven = proofs.some((proof) => proof.disproven);
  throw new FerryError({
    kind: disproven ? 'integrity' : 'failed',
    code: disproven ? 'MIGRATION_UNVERIFIED' : 'BACKEND_UNSTEADY',
    message: failures.join('; '),
    hint: '',
  });
}
