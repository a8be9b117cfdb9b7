import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { lookAtBackend, type BackendStanding } from './backend-standing.js';
import { journalName, readRun, type RunState } from './engine/journal.js';
import { refuseLostOriginals } from './originals.js';
import { refuseForeignRun } from './engine/run-directory.js';
import { refuseLockedRun } from './engine/run-lock.js';
import { findSource, type MigrationSource } from './source.js';

/** Other commands than those that the run was begun with, which may be what failed. */
export interface ServiceOverrides {
  readonly stopCommand?: string;
  readonly startCommand?: string;
}

/** @throws FerryError as `readRun` and `refuseLostOriginals` */
export async function openRun(runDirectory: string, overrides: ServiceOverrides = {}): Promise<RunState> {
  const run = await readRun(runDirectory);
  await refuseLostOriginals(run, runDirectory);
  return { ...run, settings: { ...run.settings, ...overrides } };
}

/** A run, and what is to be seen at this moment of the backend that it is about. */
export interface SeenRun {
  readonly run: RunState;
  readonly source: MigrationSource;
  readonly standing: BackendStanding;
}

/** @throws FerryError as `openRun` and `findSource` */
export async function openAndLook(
  context: Context,
  runDirectory: string,
  overrides: ServiceOverrides = {},
): Promise<SeenRun> {
  const run = await openRun(runDirectory, overrides);
  const source = await findSource(context, run.settings, runDirectory);
  return { run, source, standing: await lookAtBackend(context, run.settings, source) };
}

/**
 * Before a new migration looks at anything else: after one that was cut off the embedded etcd may be down, or the
 * files switched, and that would be found instead.
 * @throws FerryError RUN_UNFINISHED, RUN_EXISTS (`refused`), RUN_LOCKED (`locked`), and as `refuseForeignRun`, `openRun`
 */
export async function refuseUsedRun(context: Context, runDirectory: string): Promise<void> {
  await refuseForeignRun(runDirectory);
  const isNew = await access(join(runDirectory, journalName)).then(
    () => false,
    () => true,
  );
  if (isNew) return;
  const run = await openRun(runDirectory);
  await refuseLockedRun(runDirectory);
  const source = await findSource(context, run.settings, runDirectory);
  const standing = await lookAtBackend(context, run.settings, source);
  const { sentence } = standing;
  if (run.outcome === undefined) {
    refuseHalfRolledBack(run, runDirectory, standing);
    throw unfinished(sentence, runDirectory);
  }
  throw new FerryError({
    kind: 'refused',
    code: 'RUN_EXISTS',
    message: `${sentence} ${runDirectory} holds a migration that has ended: ${run.outcome}.`,
    hint: `Look at it with 'sensu-ferry migrate status --run-dir ${runDirectory}', or give another --run-dir.`,
  });
}

function unfinished(sentence: string, runDirectory: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'RUN_UNFINISHED',
    message: `${sentence} The migration in ${runDirectory} is not finished.`,
    hint:
      `Go on with 'sensu-ferry migrate resume --run-dir ${runDirectory}', ` +
      `or back with 'sensu-ferry migrate rollback --run-dir ${runDirectory}'.`,
  });
}

export function refuseEnded(run: RunState, runDirectory: string, { sentence }: BackendStanding): void {
  if (run.outcome === undefined) return;
  throw new FerryError({
    kind: 'refused',
    code: 'RUN_ENDED',
    message: `${sentence} The migration in ${runDirectory} has ended: ${run.outcome}.`,
    hint: 'Start a new one with another --run-dir.',
  });
}

export function refuseHalfRolledBack(
  run: RunState,
  runDirectory: string,
  { sentence }: BackendStanding,
): void {
  if (!run.rollbackBegun) return;
  throw new FerryError({
    kind: 'refused',
    code: 'ROLLBACK_BEGUN',
    message: `${sentence} The rollback of the migration in ${runDirectory} was interrupted.`,
    hint: `Finish it with 'sensu-ferry migrate rollback --run-dir ${runDirectory}'. Then start a new migration.`,
  });
}
