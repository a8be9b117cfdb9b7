import { setImmediate } from 'node:timers/promises';
import type { Context } from '../../core/context.js';

/** Carries out work that is synchronous; in between, Ctrl-C is heard. */
export async function inSteps<Result>(
  { signal }: Pick<Context, 'signal'>,
  steps: Generator<unknown, Result, undefined>,
): Promise<Result> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await setImmediate();
    signal.throwIfAborted();
  }
}
