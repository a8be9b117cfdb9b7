import { fileURLToPath } from 'node:url';
import { mustRun, run, type Finished } from './processes.js';

/** The built program, as users have it; this module runs from `.cache/real/test/real`. */
export const ferryProgram = fileURLToPath(new URL('../../../../dist/cli/main.js', import.meta.url));

/** The two dashes keep Node from taking `--env-file` for itself. */
const nodeArguments = (args: readonly string[]): readonly string[] => ['--', ferryProgram, ...args];

export function startFerry(args: readonly string[]): ReturnType<typeof run> {
  return run(process.execPath, nodeArguments(args));
}

/** Runs to the end, whatever that is. */
export function ferry(args: readonly string[]): Promise<Finished> {
  return startFerry(args).finished;
}

export function mustFerry(args: readonly string[]): Promise<Finished> {
  return mustRun(process.execPath, nodeArguments(args));
}
