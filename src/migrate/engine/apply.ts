import type { Context } from '../../core/context.js';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import { lookAtBackend, type BackendStanding } from '../backend-standing.js';
import { givenUp, nameOf, notUndone, notVerified } from '../failures.js';
import type { Facts, StepId } from '../facts.js';
import type { Journal } from './journal.js';
import type { JournalEvent } from './journal-events.js';
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
      const facts = await inTime(current.run(step), context.signal);
      Object.assign(step.facts, { [current.id]: facts });
      await journal.append({ type: 'done', at: at(), step: current.id, facts });
    } catch (error) {
      await appendIfPossible(context, journal, {
        ...{ type: 'failed', at: at(), step: current.id },
        ...{ error: nameOf(error), ...(error instanceof FerryError && { code: error.code }) },
      });
      const touched = strategy.steps.slice(0, begun ? index + 1 : index);
      throw await recover(strategy, touched, step, journal, error);
    }
  }
  const at = context.clock.now().toISOString();
  await appendIfPossible(context, journal, { type: 'ended', at, outcome: 'migrated' });
  return step.facts as Facts;
}

/** Longer than a stop or start command may take, which no signal cuts short. */
const patienceMs = 150_000;

/**
 * Waits for the step. One that is told to stop ends by itself; but after a defect it may wait for what never comes,
 * and the backend must be brought back all the same.
 */
async function inTime<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const over = new AbortController();
  const late = (async () => {
    if (!signal.aborted) await once(signal, 'abort', { signal: over.signal });
    await sleep(patienceMs, undefined, { signal: over.signal });
    throw new Error('The step did not stop.');
  })();
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
    late.catch(() => undefined);
  }
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
  failure: unknown,
): Promise<FerryError> {
  const { settings, source, runDirectory } = step;
  const cause: unknown = step.context.signal.aborted ? step.context.signal.reason : failure;
  const context = uninterrupted(step.context);
  const look = (): Promise<BackendStanding> => lookAtBackend(context, settings, source);
  const noReturn = strategy.steps.findIndex(({ id }) => id === strategy.pointOfNoReturn);
  if (touched.length > noReturn) return notVerified({ standing: await look(), runDirectory, cause });
  const at = (): string => context.clock.now().toISOString();
  await appendIfPossible(context, journal, { type: 'rolling-back', at: at() });
  try {
    await undoSteps(touched, { ...step, context });
  } catch (undoFailure) {
    return notUndone({ standing: await look(), runDirectory, cause, undoFailure });
  }
  await appendIfPossible(context, journal, { type: 'ended', at: at(), outcome: 'given-up' });
  return givenUp({ standing: await look(), cause });
}

/** Last step first. A failure to undo is reported with what is left to do by hand, and the rest goes on. */
export async function undoSteps(steps: readonly Step[], undo: UndoContext): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps.toReversed()) {
    try {
      await step.undo?.(undo);
    } catch (error) {
      failures.push(error);
      // The first is what the error of the run says.
      if (failures.length > 1) undo.context.report.warn(`Undoing "${step.title}" failed: ${nameOf(error)}`);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** The way back must be walked to its end although the operator pressed Ctrl-C. */
export function uninterrupted(context: Context): Context {
  return { ...context, signal: new AbortController().signal };
}
