import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { createServiceControl } from '../sensu/service-control.js';
import { DirectoryStorage } from '../storage/directory.js';
import { sensuRoot } from '../store/sensu-root.js';
import type { Revision } from '../store/view.js';
import { appendIfPossible, runSteps, undoSteps, uninterrupted } from './apply.js';
import { strategyFor } from './copy-strategy.js';
import type { StepId } from './facts.js';
import { warningsOf } from './findings.js';
import { factsOf, Journal, readRun, type RunState } from './journal.js';
import { refuseUnfit, type MigrationPlan } from './plan.js';
import { readSecrets } from './read-secrets.js';
import { reportOf, type MigrationReport } from './report.js';
import { RunResources } from './resources.js';
import type { Secrets } from './settings.js';
import { findSource } from './source.js';
import type { StepContext, Strategy } from './strategy.js';

/** Carries a plan out. Refuses one with refusals among its findings, before anything is changed. */
export async function applyMigration(
  context: Context,
  plan: MigrationPlan,
  secrets: Secrets,
  tool: string,
): Promise<MigrationReport> {
  refuseUnfit(plan);
  const { settings, runDirectory, source } = plan;
  const warnings = warningsOf(plan.findings);
  const begun = { type: 'begun', at: context.clock.now().toISOString(), tool, settings, warnings } as const;
  const journal = await Journal.create(runDirectory, begun);
  const work = { context, settings, secrets, source, runDirectory, tool };
  return carryOut(work, journal, { facts: {}, warnings }, () =>
    Promise.resolve({ first: 'snapshot', strategy: strategyFor(settings) }),
  );
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
  refuseHalfRolledBack(run, runDirectory);
  const { settings } = run;
  const secrets = await readSecrets(settings);
  const source = await findSource(context, settings, runDirectory);
  const journal = await Journal.reopen(runDirectory);
  const work = { context, settings, secrets, source, runDirectory, tool };
  return carryOut(work, journal, run, (resources) => whereToGoOn(run, resources));
}

type Work = Omit<StepContext, 'facts' | 'resources' | 'resumed'>;

async function carryOut(
  work: Work,
  journal: Journal,
  { facts, warnings }: Pick<RunState, 'facts' | 'warnings'>,
  begin: (resources: RunResources) => Promise<Beginning>,
): Promise<MigrationReport> {
  const resources = new RunResources(work.context, work.settings, work.secrets);
  try {
    const { first, strategy } = await begin(resources);
    const step: StepContext = { ...work, facts: { ...facts }, resources, resumed: first !== 'snapshot' };
    const done = await runSteps(strategy, first, step, journal);
    return reportOf(done, work.runDirectory, work.settings, warnings);
  } finally {
    await resources.close();
    await journal.close();
  }
}

interface Beginning {
  readonly first: StepId;
  readonly strategy: Strategy;
}

/**
 * From the stop on, when that was begun: leases that were held have run on since the cut, so nothing between the load
 * and the start can be trusted. But not when the backend has worked on the target since: to make that equal to the
 * stopped store again would undo its work.
 */
async function whereToGoOn(run: RunState, resources: RunResources): Promise<Beginning> {
  const done = (id: StepId): boolean => run.facts[id] !== undefined;
  const strategy = strategyFor(run.settings);
  if (done('verify') && run.settings.watchSeconds > 0) return { first: 'watch', strategy };
  if (done('start')) return { first: 'verify', strategy };
  if (await targetIsInUse(run, resources)) {
    return { first: 'start', strategy: { ...strategy, pointOfNoReturn: 'start' } };
  }
  if (run.started.has('stop')) return { first: 'stop', strategy };
  const first = strategy.steps.find(({ id }) => !done(id))?.id ?? 'verify';
  return { first, strategy };
}

/** From the difference on nobody but the backend writes there; a run that was cut off elsewhere has not come so far. */
async function targetIsInUse({ cutOffAt, facts }: RunState, resources: RunResources): Promise<boolean> {
  if (cutOffAt !== 'start') return false;
  const since = (BigInt(factsOf(facts, 'difference').targetRevision) + 1n) as Revision;
  const target = await resources.target();
  const { entries } = await target.range({ ...sensuRoot, minModRevision: since, keysOnly: true, limit: 1 });
  return entries.length > 0;
}

function refuseHalfRolledBack(run: RunState, runDirectory: string): void {
  if (!run.rollbackBegun) return;
  throw new FerryError({
    kind: 'refused',
    code: 'ROLLBACK_BEGUN',
    message: `The way back of the migration in ${runDirectory} was begun and cut off.`,
    hint: `Walk it to its end: sensu-ferry migrate rollback --run-dir ${runDirectory}. Then start a new migration.`,
  });
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
    const at = (): string => context.clock.now().toISOString();
    await appendIfPossible(context, journal, { type: 'rolling-back', at: at() });
    await new DirectoryStorage(runDirectory).removeUnfinished(context.clock.now(), context.signal);
    if (run.cutOffAt === 'stop') await settleStop(context, settings);
    const touched = strategyFor(settings).steps.filter(({ id }) => run.started.has(id));
    // Once begun it is walked to its end; nothing in it waits for long.
    await undoSteps(touched, { context: uninterrupted(context), settings, source, runDirectory });
    await appendIfPossible(context, journal, { type: 'ended', at: at(), outcome: 'rolled-back' });
    return { runDirectory, servedTarget: run.started.has('start') };
  } finally {
    await journal.close();
  }
}

/** A stop command outlives the run that was killed, and would end the backend after it was started again. */
async function settleStop(context: Context, settings: RunState['settings']): Promise<void> {
  try {
    await createServiceControl(context, settings).stop();
  } catch (error) {
    context.report.warn(error instanceof Error ? error.message : 'The stop command failed.');
  }
}
