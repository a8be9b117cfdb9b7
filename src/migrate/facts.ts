import type { ContentDigest } from '../store/digest.js';
import type { Proof } from './proof.js';

/** The steps in their order. What follows `start` no longer costs downtime. */
export const stepIds = [
  'snapshot',
  'grants',
  'load',
  'stop',
  'difference',
  'configure',
  'start',
  'verify',
  'watch',
] as const;

export type StepId = (typeof stepIds)[number];

/** What a step leaves for the steps after it, for `resume`, and for the report. Plain data, without secrets. */
export interface Facts {
  readonly snapshot: {
    readonly archive: string;
    readonly revision: string;
    readonly keys: number;
    readonly bytes: number;
    readonly digest: ContentDigest;
    readonly sensuClusterId: string | null;
    readonly prefixes: readonly { readonly prefix: string; readonly keys: number; readonly bytes: number }[];
    readonly users: readonly string[];
    /** `hint`: the last characters of a key, never the key. */
    readonly apiKeys: readonly { readonly owner: string; readonly hint: string }[];
  };
  readonly grants: { readonly changes: readonly string[] };
  readonly load: {
    readonly keys: number;
    readonly leases: number;
    readonly written: number;
    readonly milliseconds: number;
  };
  readonly stop: { readonly stopAskedAt: string; readonly stoppedAt: string };
  readonly difference: {
    readonly sourceRevision: string;
    readonly targetRevision: string;
    readonly walEntries: number;
    readonly put: number;
    readonly deleted: number;
    readonly leases: number;
    readonly keys: number;
  };
  readonly configure: {
    readonly backendYml: readonly string[];
    readonly environment: readonly string[];
    /** Where the embedded store lies, untouched. */
    readonly oldStore: string;
  };
  readonly start: { readonly answeredAt: string; readonly downtimeMilliseconds: number };
  readonly verify: { readonly proofs: readonly Proof[]; readonly digest: ContentDigest | null };
  /** Absent where the operator did not want to wait for it. */
  readonly watch?: { readonly seconds: number; readonly proofs: readonly Proof[] };
}

export type FactsOf<Id extends StepId> = NonNullable<Facts[Id]>;
