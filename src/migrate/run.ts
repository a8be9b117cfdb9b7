import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { runSteps, undoSteps } from './apply.js';
import { copyStrategy } from './copy-strategy.js';
import type { StepId } from './facts.js';
import { Journal, readRun, type RunState } from './journal.js';
import { refuseUnfit, type MigrationPlan } from './plan.js';
import { readSecrets } from './read-secrets.js';
import { reportOf, type MigrationReport } from './report.js';
import { RunResources } from './resources.js';
import type { Secrets } from './settings.js';
import { findSource } from './source.js';
import type { StepContext } from './strategy.js';

/** Carries a plan out. Refuses one with refusals among its findings, before anything is changed. */
export async function applyMigration(
  context: Context,
  plan: MigrationPlan,
  secrets: Secrets,
  tool: string,
): Promise<MigrationReport> {
  refuseUnfit(plan);
  const { settings, runDirectory, source } = plan;
  const begun = { type: 'begun', at: context.clock.now().toISOString(), tool, settings } as const;
  const journal = await Journal.create(runDirectory, begun);
  const work = { context, settings, secrets, source, runDirectory, tool };
  return carryOut(work, journal, {}, 'snapshot');
}

/**
 * Goes on where a run was cut off. What was done before the stop is not done again; from the stop on, the
 * difference is made anew by comparing both stores, because nobody knows how far it came.
 */
export async function resumeMigration(
  context: Context,
  runDirectory: string,
  tool: string,
): Promise<MigrationReport> {
  const run = await readRun(runDirectory);
  refuseEnded(run, runDirectory);
  const { settings } = run;
  const secrets = await readSecrets(settings);
  const source = await findSource(context, settings, runDirectory);
  const journal = await Journal.reopen(runDirectory);
  const work = { context, settings, secrets, source, runDirectory, tool };
  return carryOut(work, journal, run.facts, firstStepToRepeat(run));
}

type Work = Omit<StepContext, 'facts' | 'resources' | 'resumed'>;

async function carryOut(
  work: Work,
  journal: Journal,
  facts: RunState['facts'],
  first: StepId,
): Promise<MigrationReport> {
  const resources = new RunResources(work.context, work.settings, work.secrets);
  try {
    const step: StepContext = { ...work, facts: { ...facts }, resources, resumed: first !== 'snapshot' };
    return reportOf(await runSteps(copyStrategy, first, step, journal), work.runDirectory, work.settings);
  } finally {
    await resources.close();
    await journal.close();
  }
}

/** Leases that were held have run on since the cut, so nothing between the load and the start can be trusted. */
function firstStepToRepeat(run: RunState): StepId {
  const done = (id: StepId): boolean => run.facts[id] !== undefined;
  if (done('start')) return 'verify';
  if (run.started.has('stop')) return 'stop';
  return copyStrategy.steps.find(({ id }) => !done(id))?.id ?? 'verify';
}

function refuseEnded(run: RunState, runDirectory: string): void {
  if (run.outcome === undefined) return;
  throw new FerryError({
    kind: 'refused',
    code: 'RUN_ENDED',
    message: `The migration in ${runDirectory} has ended: ${run.outcome}.`,
    hint: 'Start a new one with another --run-dir.',
  });
}

export interface RolledBack {
  readonly runDirectory: string;
  /** True when the backend had already served the external store: what it wrote there stays there. */
  readonly servedTarget: boolean;
}

/** Puts the backend back on its embedded store, whatever was done so far. */
export async function rollbackMigration(context: Context, runDirectory: string): Promise<RolledBack> {
  const run = await readRun(runDirectory);
  if (run.outcome === 'rolled-back' || run.outcome === 'given-up') refuseEnded(run, runDirectory);
  const { settings } = run;
  const source = await findSource(context, settings, runDirectory);
  const journal = await Journal.reopen(runDirectory);
  try {
    const touched = copyStrategy.steps.filter(({ id }) => run.started.has(id));
    await undoSteps(touched, { context, settings, source, runDirectory });
    await journal.append({ type: 'ended', at: context.clock.now().toISOString(), outcome: 'rolled-back' });
    return { runDirectory, servedTarget: run.started.has('start') };
  } finally {
    await journal.close();
  }
}
