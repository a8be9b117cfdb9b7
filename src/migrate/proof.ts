import { z } from 'zod';
import { FerryError } from '../core/errors.js';

/** One thing that was looked at after the start, and what it showed. */
export const proofSchema = z.object({
  what: z.string(),
  /** `warning`: it works, and something about it needs the operator's eyes. */
  outcome: z.enum(['proven', 'warning', 'failed', 'not-checked']),
  found: z.string(),
  /** Of a failure: the store is not what it was proven to be. Absent where something merely does not work. */
  disproven: z.literal(true).optional(),
});

export type Proof = Readonly<z.infer<typeof proofSchema>>;

export const proven = (what: string, found: string): Proof => ({ what, outcome: 'proven', found });
export const doubtful = (what: string, found: string): Proof => ({ what, outcome: 'warning', found });
export const failed = (what: string, found: string): Proof => ({ what, outcome: 'failed', found });
export const notChecked = (what: string, found: string): Proof => ({ what, outcome: 'not-checked', found });

export function describeProofs(proofs: readonly Proof[]): string[] {
  return proofs.map(({ what, outcome, found }) => `  ${outcome.padEnd(12)}${what}: ${found}`);
}

/** Of the proofs that came out so, what a sentence says of them. */
export function saidOf(proofs: readonly Proof[], outcome: Proof['outcome']): string[] {
  return proofs.filter((proof) => proof.outcome === outcome).map(({ what, found }) => `${what}: ${found}`);
}

/** Codes of the errors by which a watch ends that saw faults. */
export const watchVerdicts = ['MIGRATION_UNVERIFIED', 'BACKEND_UNSTEADY'] as const;

/** How a watch with such proofs ends. */
export function failureOf(proofs: readonly Proof[]): 'integrity' | 'failed' | undefined {
  const failures = proofs.filter(({ outcome }) => outcome === 'failed');
  if (failures.length === 0) return undefined;
  return failures.some(({ disproven }) => disproven) ? 'integrity' : 'failed';
}

/** @throws FerryError MIGRATION_UNVERIFIED (`integrity`) */
export function refuseDisproven(proofs: readonly Proof[]): void {
  const failures = saidOf(proofs, 'failed');
  if (failures.length === 0) return;
  throw new FerryError({
    kind: 'integrity',
    code: 'MIGRATION_UNVERIFIED',
    message: failures.join('; '),
    hint: '',
  });
}
