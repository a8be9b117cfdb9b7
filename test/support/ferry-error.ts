import { FerryError } from '../../src/core/errors.js';
import { expect } from 'vitest';

/** The FerryError that the work ends with, in which none of the secrets may stand. */
export async function failureOf(
  work: Promise<unknown>,
  secrets: readonly string[] = [],
): Promise<FerryError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof FerryError)) throw new Error('no FerryError was thrown', { cause: error });
  const told = [error.message, error.hint, error.stack, String(error.cause), JSON.stringify(error.cause)];
  for (const secret of secrets) expect(told.join(' ')).not.toContain(secret);
  return error;
}
