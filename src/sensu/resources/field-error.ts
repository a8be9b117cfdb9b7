import type { ApiValue } from './api-value.js';

/**
 * `wrong`: of another type, or out of its range. `unknown`: no field that the tables have, though a newer Sensu may.
 * `name`: a name that no key can have.
 */
export type FieldFault = 'wrong' | 'unknown' | 'name';

/** A field that is not what Sensu stores under its name. Says nothing of its value. */
export class FieldError extends Error {
  override readonly name = 'FieldError';
  /** Such as `spec.output_metric_thresholds[0].null_status`. */
  readonly path: string;
  readonly reason: FieldFault;

  /** @param fault Completes a sentence that begins with the path. */
  constructor(path: string, fault: string, reason: FieldFault = 'wrong') {
    super(`${path} ${fault}`);
    this.path = path;
    this.reason = reason;
  }
}

export function wrongKind(path: string, value: ApiValue | undefined, wanted: string): FieldError {
  return new FieldError(path, `is ${kindOf(value)}, where Sensu has ${wanted}`);
}

/** What a value is, in words for errors. */
export function kindOf(value: ApiValue | undefined): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'boolean') return 'true or false';
  return typeof value === 'object' ? 'a map' : 'a number';
}
