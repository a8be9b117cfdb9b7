import { FerryError, type FailureKind } from '../core/errors.js';

/** `refusal`: the migration cannot be done like this. `warning`: it can, but look at it first. `note`: good to know. */
export type Severity = 'refusal' | 'warning' | 'note';

/** One thing that preflight found, with what to do about it. */
export interface Finding {
  readonly severity: Severity;
  /** Stable name, such as `TARGET_NOT_EMPTY`. */
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string;
  /** For a refusal: the exit code it ends with. Default `refused`. */
  readonly kind?: FailureKind;
}

export const refusal = (code: string, sentence: string, remedy: string): Finding => ({
  severity: 'refusal',
  code,
  sentence,
  remedy,
});

export const warning = (code: string, sentence: string, remedy: string): Finding => ({
  severity: 'warning',
  code,
  sentence,
  remedy,
});

export const note = (code: string, sentence: string, remedy: string): Finding => ({
  severity: 'note',
  code,
  sentence,
  remedy,
});

export function warningsOf(findings: readonly Finding[]): string[] {
  return findings.flatMap(({ severity, sentence }) => (severity === 'warning' ? [sentence] : []));
}

/** A refusal that is found after preflight ends the run. */
export function throwRefusal({ severity, kind = 'refused', code, sentence, remedy }: Finding): void {
  if (severity !== 'refusal') return;
  throw new FerryError({ kind, code, message: sentence, hint: remedy });
}
