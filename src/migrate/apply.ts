import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import type { Facts, StepId } from './facts.js';
import type { Journal } from './journal.js';
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
      await journal.append({ type: 'failed', at: at(), step: current.id, error: nameOf(error) });
      const touched = strategy.steps.slice(0, begun ? index + 1 : index);
      throw await recover(strategy, touched, step, journal, error);
    }
  }
  await journal.append({ type: 'ended', at: context.clock.now().toISOString(), outcome: 'migrated' });
  return step.facts as Facts;
}

/** Undoes what can be undone, and gives the error that says how things stand now. */
async function recover(
  strategy: Strategy,
  touched: readonly Step[],
  step: StepContext,
  journal: Journal,
  cause: unknown,
): Promise<unknown> {
  if (touched.some(({ id }) => id === strategy.pointOfNoReturn)) return standing(cause, step.runDirectory);
  try {
    await undoSteps(touched, { ...step, context: uninterrupted(step.context) });
  } catch (undoFailure) {
    return notUndone(cause, undoFailure, step.runDirectory);
  }
  await journal.append({ type: 'ended', at: step.context.clock.now().toISOString(), outcome: 'given-up' });
  return cause;
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
function uninterrupted(context: Context): Context {
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
