import type { Proof } from '../proof.js';

/** One side of the backend that is looked at again and again. */
export interface Probe {
  /** Looks once. What was seen for the first time and should be said at once; a fault of the backend is not thrown. */
  look(): Promise<readonly string[]>;
  /** What all looks together showed. */
  proofs(): readonly Proof[];
  /** Leaves nothing behind. */
  close(): Promise<void>;
}
