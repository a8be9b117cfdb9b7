import type { Context } from '../../src/core/context.js';

/** A context that says nothing, and keeps the warnings. */
export function silentContext(signal: AbortSignal = new AbortController().signal): Context & {
  readonly warnings: string[];
} {
  const warnings: string[] = [];
  return {
    warnings,
    signal,
    clock: { now: () => new Date() },
    report: { info: () => undefined, warn: (words) => warnings.push(words), progress: () => undefined },
    env: {},
    processes: {
      run: () => Promise.reject(new Error('No process is started here.')),
      shell: () => Promise.reject(new Error('No process is started here.')),
    },
  };
}
