import type { Context } from '../../core/context.js';
import { DirectoryStorage } from '../../storage/directory.js';
import { appendIfPossible, undoSteps, uninterrupted } from './apply.js';
import { lookAtBackend, type BackendStanding } from '../backend-standing.js';
import { strategyFor } from '../copy/copy-strategy.js';
import { nameOf, notRolledBack } from '../failures.js';
import { Journal, type RunState } from './journal.js';
import { openAndLook, openRun, refuseEnded, type ServiceOverrides } from '../open-run.js';
import { findSource } from '../source.js';
import { configureStep } from '../copy/configure.js';
import type { Step, UndoContext } from './strategy.js';
import { countWrittenSince, type WrittenOrFault } from '../written-since.js';

/** What a rollback would do, and leave where it is. Nothing was changed to make it. */
export interface RollbackPlan {
  readonly run: RunState;
  readonly standing: BackendStanding;
  /** True when the backend serves the old store, and is left alone. */
  readonly keepsRunning: boolean;
  /** True when the backend has served the external store: what it wrote there stays there. */
  readonly servedTarget: boolean;
  readonly written: WrittenOrFault | undefined;
}

export interface RolledBack {
  readonly runDirectory: string;
  readonly standing: BackendStanding;
  /** As in the plan. */
  readonly servedTarget: boolean;
  /** What went wrong on the way, although the backend is back. */
  readonly warnings: readonly string[];
  readonly written: WrittenOrFault | undefined;
}

/** @throws FerryError RUN_ENDED when the backend is back already, and as `openRun` */
export async function planRollback(
  context: Context,
  runDirectory: string,
  overrides: ServiceOverrides = {},
): Promise<RollbackPlan> {
  const { run, standing } = await openAndLook(context, runDirectory, overrides);
  if (run.outcome !== 'migrated') refuseEnded(run, runDirectory, standing);
  const servedTarget = hasServed(run);
  const written = servedTarget ? await countWrittenSince(context, run.settings, run.facts) : undefined;
  return { run, standing, keepsRunning: isLeftAlone(context, run, standing), servedTarget, written };
}

/** Puts the backend back on its embedded store, whatever was done so far. */
export async function rollbackMigration(
  context: Context,
  runDirectory: string,
  overrides: ServiceOverrides = {},
): Promise<RolledBack> {
  const run = await openRun(runDirectory, overrides);
  const { settings } = run;
  const source = await findSource(context, settings, runDirectory);
  const journal = await Journal.reopen(runDirectory);
  try {
    const before = await lookAtBackend(context, settings, source);
    if (run.outcome !== 'migrated') refuseEnded(run, runDirectory, before);
    const at = (): string => context.clock.now().toISOString();
    await appendIfPossible(context, journal, { type: 'rolling-back', at: at() });
    // Once begun it is walked to its end; nothing in it waits for long.
    const undo = { context: uninterrupted(context), settings, source, runDirectory };
    await new DirectoryStorage(runDirectory).removeUnfinished(context.clock.now(), undo.context.signal);
    const { standing, warnings } = await walkBack(run, undo, isLeftAlone(context, run, before));
    await appendIfPossible(context, journal, { type: 'ended', at: at(), outcome: 'rolled-back' });
    const servedTarget = hasServed(run);
    const written = servedTarget ? await countWrittenSince(undo.context, settings, run.facts) : undefined;
    return { runDirectory, standing, servedTarget, warnings, written };
  } finally {
    await journal.close();
  }
}

const hasServed = (run: RunState): boolean => run.facts.start !== undefined || run.cutOffAt === 'start';

/** As long as a stop command may take. */
const stopMs = 120_000;

/**
 * A backend that serves the old store is not stopped, whoever has started it. But the stop command of a run that was
 * killed a moment ago outlives it, and might still end the backend.
 */
function isLeftAlone(context: Context, run: RunState, { serves }: BackendStanding): boolean {
  if (serves !== 'embedded') return false;
  if (run.cutOffAt !== 'stop' || run.stopAskedAt === undefined) return true;
  return context.clock.now().getTime() - Date.parse(run.stopAskedAt) > stopMs;
}

/** Where the backend stands in the end counts, not whether each command on the way went well. */
async function walkBack(
  run: RunState,
  undo: UndoContext,
  keepsRunning: boolean,
): Promise<Pick<RolledBack, 'standing' | 'warnings'>> {
  const look = (): Promise<BackendStanding> => lookAtBackend(undo.context, undo.settings, undo.source);
  try {
    await undoSteps(keepsRunning ? [configureStep] : stepsToUndo(run), undo);
    return { standing: await look(), warnings: [] };
  } catch (cause) {
    const standing = await look();
    if (standing.serves !== 'embedded' || standing.configured !== 'embedded') {
      throw notRolledBack({ standing, runDirectory: undo.runDirectory, cause });
    }
    undo.context.report.warn(nameOf(cause));
    return { standing, warnings: [nameOf(cause)] };
  }
}

/** With that of a stop that was cut off, whose command may still run: the backend is stopped for good before its start. */
function stepsToUndo(run: RunState): readonly Step[] {
  const { steps } = strategyFor(run.settings);
  const begun = steps.filter(({ id }) => run.started.has(id));
  if (run.cutOffAt !== 'stop') return begun;
  return [...begun, steps.find(({ id }) => id === 'start')!];
}
