import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import type { Facts, StepId } from './facts.js';
import type { Journal, JournalEvent } from './journal.js';
import type { Step, StepContext, Strategy, UndoContext } from './strategy.js';

/**
 * Carries the steps out, each journalled before and after. When one fails before the point of no return, what
 * was done is undone in reverse, so that the backend runs again on its untouched embedded store.
 */
export async function runSteps(
  strategy: Strategy,
  first: StepId,
  step: StepContext,
  journal: Journal,
): Promise<Facts> {
  const { context } = step;
  const from = strategy.steps.findIndex(({ id }) => id === first);
  for (const [index, current] of strategy.steps.entries()) {
    if (index < from) continue;
    const at = (): string => context.clock.now().toISOString();
    context.report.info(`[${index + 1}/${strategy.steps.length}] ${current.title}`);
    let begun = false;
    try {
      context.signal.throwIfAborted();
      await journal.append({ type: 'started', at: at(), step: current.id });
      begun = true;
      const facts = await current.run(step);
      Object.assign(step.facts, { [current.id]: facts });
      await journal.append({ type: 'done', at: at(), step: current.id, facts });
    } catch (error) {
      await appendIfPossible(context, journal, {
        ...{ type: 'failed', at: at(), step: current.id },
        error: nameOf(error),
      });
      const touched = strategy.steps.slice(0, begun ? index + 1 : index);
      throw await recover(strategy, touched, step, journal, error);
    }
  }
  const at = context.clock.now().toISOString();
  await appendIfPossible(context, journal, { type: 'ended', at, outcome: 'migrated' });
  return step.facts as Facts;
}

/** What is said to nobody but the journal must not keep the backend from being brought back: a disk may be full. */
export async function appendIfPossible(
  context: Context,
  journal: Journal,
  event: JournalEvent,
): Promise<void> {
  try {
    await journal.append(event);
  } catch (error) {
    context.report.warn(nameOf(error));
  }
}

/** Undoes what can be undone, and gives the error that says how things stand now. */
async function recover(
  strategy: Strategy,
  touched: readonly Step[],
  step: StepContext,
  journal: Journal,
  cause: unknown,
): Promise<unknown> {
  const { context, runDirectory } = step;
  const noReturn = strategy.steps.findIndex(({ id }) => id === strategy.pointOfNoReturn);
  if (touched.length > noReturn) return told(context, standing(cause, runDirectory));
  const at = (): string => context.clock.now().toISOString();
  await appendIfPossible(context, journal, { type: 'rolling-back', at: at() });
  try {
    await undoSteps(touched, { ...step, context: uninterrupted(context) });
  } catch (undoFailure) {
    return told(context, notUndone(cause, undoFailure, runDirectory));
  }
  await appendIfPossible(context, journal, { type: 'ended', at: at(), outcome: 'given-up' });
  context.report.info('The backend runs on its embedded store, which was not touched.');
  return cause;
}

/** A signal ends the program in its own words: how the backend stands must be said before. */
function told(context: Context, failure: FerryError): FerryError {
  if (context.signal.aborted) context.report.warn(`${failure.message} ${failure.hint}`);
  return failure;
}

/** Last step first. A failure to undo is reported with what is left to do by hand, and the rest goes on. */
export async function undoSteps(steps: readonly Step[], undo: UndoContext): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps.toReversed()) {
    try {
      await step.undo?.(undo);
    } catch (error) {
      failures.push(error);
      undo.context.report.warn(`Undoing "${step.title}" failed: ${nameOf(error)}`);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** The way back must be walked to its end although the operator pressed Ctrl-C. */
export function uninterrupted(context: Context): Context {
  return { ...context, signal: new AbortController().signal };
}

function standing(cause: unknown, runDirectory: string): FerryError {
  const failure = cause instanceof FerryError ? cause : undefined;
  return new FerryError({
    kind: failure?.kind ?? 'failed',
    code: failure?.code ?? 'MIGRATION_UNVERIFIED',
    message: `The backend runs on the external etcd, but: ${nameOf(cause)}`,
    hint:
      `Look at it, then 'sensu-ferry migrate resume --run-dir ${runDirectory}' to verify again, or ` +
      `'sensu-ferry migrate rollback --run-dir ${runDirectory}' to go back to the embedded store.`,
    cause,
  });
}

function notUndone(cause: unknown, undoFailure: unknown, runDirectory: string): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'MIGRATION_NOT_UNDONE',
    message: `${nameOf(cause)} And putting things back failed: ${nameOf(undoFailure)}`,
    hint: `The embedded store is untouched. Mend that, then run 'sensu-ferry migrate rollback --run-dir ${runDirectory}'.`,
    cause,
  });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.message : 'something that is not an error was thrown';
}
