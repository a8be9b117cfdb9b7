import { FerryError } from '../core/errors.js';
import type { BackendStanding } from './backend-standing.js';

/** Every failure of a run says first what runs where, as it was seen after the failure. */
interface Told {
  readonly standing: BackendStanding;
  readonly runDirectory: string;
  /** What went wrong; a signal's reason when the operator stopped the run. */
  readonly cause: unknown;
}

/** The backend was brought back, and the run has ended. */
export function givenUp({ standing, cause }: Omit<Told, 'runDirectory'>): FerryError {
  return new FerryError({
    ...kindAndCode(cause, 'MIGRATION_GIVEN_UP'),
    message: `${standing.sentence} The migration was given up and undone: ${nameOf(cause)}`,
    hint: cause instanceof FerryError ? cause.hint : '',
    cause,
  });
}

/** The backend has served the new store: nothing is undone without being asked. */
export function notVerified({ standing, runDirectory, cause }: Told): FerryError {
  return new FerryError({
    ...kindAndCode(cause, 'MIGRATION_UNVERIFIED'),
    message: `${standing.sentence} The migration is not verified: ${nameOf(cause)}`,
    hint:
      `Look at it, then run 'sensu-ferry migrate resume --run-dir ${runDirectory}' to verify again, or ` +
      `'sensu-ferry migrate rollback --run-dir ${runDirectory}' to go back to the embedded store.`,
    cause,
  });
}

export function notUndone({
  standing,
  runDirectory,
  cause,
  undoFailure,
}: Told & { undoFailure: unknown }): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'MIGRATION_NOT_UNDONE',
    message: `${standing.sentence} ${nameOf(cause)} Going back failed too: ${nameOf(undoFailure)}`,
    hint: wayBack(runDirectory),
    cause,
  });
}

export function notRolledBack({ standing, runDirectory, cause }: Told): FerryError {
  return new FerryError({
    ...kindAndCode(cause, 'ROLLBACK_FAILED'),
    message: `${standing.sentence} The rollback did not reach its end: ${nameOf(cause)}`,
    hint: wayBack(runDirectory),
    cause,
  });
}

/** Nothing of it was done. */
export function notResumed({ standing, cause }: Omit<Told, 'runDirectory'>): FerryError {
  return new FerryError({
    ...kindAndCode(cause, 'RESUME_FAILED'),
    message: `${standing.sentence} The migration was not resumed: ${nameOf(cause)}`,
    hint: cause instanceof FerryError ? cause.hint : '',
    cause,
  });
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.message : 'something that is not an error was thrown';
}

function wayBack(runDirectory: string): string {
  return (
    'The embedded store is untouched. Put right what failed, or start the backend by hand; then run ' +
    `'sensu-ferry migrate rollback --run-dir ${runDirectory}', with --start-command and --stop-command if those of the run do not work.`
  );
}

function kindAndCode(cause: unknown, code: string): Pick<FerryError, 'kind' | 'code'> {
  return cause instanceof FerryError ? { kind: cause.kind, code: cause.code } : { kind: 'failed', code };
}
