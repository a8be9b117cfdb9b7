import type { Context } from '../core/context.js';
import type { BackendStanding } from './backend-standing.js';
import { strategyFor } from './copy/copy-strategy.js';
import type { RunState } from './engine/journal.js';
import { openAndLook, type SeenRun } from './open-run.js';
import type { RollbackPlan, RolledBack } from './engine/rollback.js';
import { findWorker } from './engine/run-lock.js';
import { describeWritten } from './written-since.js';

/** How a run stands: what its journal says, and what is to be seen of the backend now. */
export interface RunStatus {
  readonly run: RunState;
  readonly standing: BackendStanding;
  /** The process that is working on it, in words; undefined when none is. */
  readonly worker: string | undefined;
}

export async function lookAtRun(context: Context, runDirectory: string): Promise<RunStatus> {
  const { run, standing } = await openAndLook(context, runDirectory);
  return { run, standing, worker: await findWorker(runDirectory) };
}

export function describeStatus({ run, standing, worker }: RunStatus): readonly string[] {
  const state = worker === undefined ? stateOf(run, standing) : `${worker} is working on it`;
  const error = run.lastError === undefined ? [] : [`Last error: ${run.lastError}`];
  return [standing.sentence, '', ...describeSteps(run), `State: ${state}.`, ...error];
}

function describeSteps(run: RunState): string[] {
  const steps = strategyFor(run.settings).steps.map(({ id }) => {
    const state = run.facts[id] !== undefined ? 'done' : run.started.has(id) ? 'begun' : '-';
    return `  ${id.padEnd(12)}${state}`;
  });
  const { backendConfig, endpoints } = run.settings;
  return [`Migration of ${backendConfig} to ${endpoints.join(', ')}, begun ${run.begunAt}:`, ...steps];
}

function stateOf(run: RunState, { serves }: BackendStanding): string {
  switch (run.outcome) {
    case 'migrated':
      return 'migrated. The run has ended; rollback would go back';
    case 'rolled-back':
      return 'rolled back. The run has ended';
    case 'given-up':
      return 'failed and undone. The run has ended';
    case undefined:
      if (run.rollbackBegun) return 'on the way back when it was cut off: roll back now';
      if (run.facts.verify !== undefined) {
        return 'verified; the watch after it failed or was cut off: resume watches again, rollback goes back';
      }
      return run.started.has('stop') && serves === 'nothing'
        ? 'cut off with the backend stopped: resume or roll back now'
        : 'not finished: resume or roll back';
  }
}

export function describeResumePlan({ run, standing }: SeenRun): readonly string[] {
  const { steps } = strategyFor(run.settings);
  const begun = steps.findIndex(({ id }) => run.facts[id] === undefined);
  const from = run.started.has('stop') && run.facts.start === undefined ? 'stop' : steps[begun]?.id;
  const first = from === undefined ? -1 : steps.findIndex(({ id }) => id === from);
  return [
    standing.sentence,
    '',
    ...describeSteps(run),
    '',
    'Resuming will do:',
    ...steps.slice(first).map(({ title }) => `  - ${title}`),
    ...commandsAndFiles(run),
    ...(run.warnings.length > 0 ? ['Its plan warned:', ...run.warnings.map(asPoint)] : []),
  ];
}

export function describeRollbackPlan({
  run,
  standing,
  keepsRunning,
  written,
}: RollbackPlan): readonly string[] {
  const { backendConfig, envFile } = run.settings;
  const files = `  - Put ${backendConfig} and ${envFile} back as they were before the migration`;
  const commands = [
    ...(run.started.has('start') || run.cutOffAt === 'stop' ? ['  - Stop the backend'] : []),
    files,
    ...(run.started.has('stop')
      ? ['  - Start the backend on its embedded store, and wait until it answers']
      : []),
  ];
  return [
    standing.sentence,
    '',
    ...describeSteps(run),
    '',
    'The rollback will do:',
    ...(keepsRunning ? [files, '  - Leave the backend alone: it runs on its embedded store'] : commands),
    ...commandsAndFiles(run),
    ...describeWritten(written),
  ];
}

const asPoint = (sentence: string): string => `  - ${sentence}`;

/** What is run and written, mostly as root: to be seen before the question. */
function commandsAndFiles({ settings }: RunState): string[] {
  return [
    'With:',
    `  stop command   ${settings.stopCommand}`,
    `  start command  ${settings.startCommand}`,
    `  backend.yml    ${settings.backendConfig}`,
    `  environment    ${settings.envFile}`,
  ];
}

export function describeRollback({ standing, runDirectory, written }: RolledBack): readonly string[] {
  const lead =
    standing.serves === 'embedded' ? 'The backend runs on its embedded store again.' : standing.sentence;
  return [`${lead} The run in ${runDirectory} has ended.`, ...describeWritten(written)];
}
