import type { Context } from './context.js';
import { FerryError } from './errors.js';
import { formatDuration } from './units.js';

/** How long a task that was told to stop may tidy up; a disk or a server that hangs lets nobody do even that. */
const tidyMs = 10_000;

/** Longer timers go off at once. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Gives the work so many milliseconds; without a number, all it wants.
 * @throws FerryError TIMED_OUT (`unreachable`)
 */
export async function withDeadline<Result>(
  context: Context,
  milliseconds: number | undefined,
  work: (context: Context) => Promise<Result>,
): Promise<Result> {
  if (milliseconds === undefined) return work(context);
  const fault = timedOut(milliseconds);
  const deadline = new AbortController();
  const timers = [
    setTimeout(
      () => {
        deadline.abort(fault);
      },
      Math.min(milliseconds, longestTimerMs),
    ),
  ];
  const hung = new Promise<never>((_resolve, reject) => {
    deadline.signal.addEventListener('abort', () => timers.push(setTimeout(reject, tidyMs, fault)));
  });
  try {
    const signal = AbortSignal.any([context.signal, deadline.signal]);
    return await Promise.race([work({ ...context, signal }), hung]);
  } catch (error) {
    throw deadline.signal.aborted && !context.signal.aborted ? fault : error;
  } finally {
    timers.forEach(clearTimeout);
  }
}

function timedOut(milliseconds: number): FerryError {
  return new FerryError({
    kind: 'unreachable',
    code: 'TIMED_OUT',
    message: `It was not done within ${formatDuration(milliseconds)}, and was stopped.`,
    hint: 'Look at the members, the network and the destination, or give a longer --timeout.',
  });
}
