import type { Context } from '../../core/context.js';
import { sensuRoot } from '../../store/sensu-root.js';
import type { Revision } from '../../store/view.js';
import { runSteps } from './apply.js';
import { strategyFor } from '../copy/copy-strategy.js';
import type { StepId } from '../facts.js';
import { notResumed } from '../failures.js';
import { warningsOf } from '../findings.js';
import { factsOf, Journal, type RunState } from './journal.js';
import {
  openAndLook,
  refuseEnded,
  refuseHalfRolledBack,
  type SeenRun,
  type ServiceOverrides,
} from '../open-run.js';
import { refuseUnfit, type MigrationPlan } from '../plan.js';
import { readSecrets } from '../read-secrets.js';
import { reportOf, type MigrationReport } from '../report.js';
import { RunResources } from '../resources.js';
import type { Secrets } from '../settings.js';
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
  const seen = { facts: {}, warnings, stopAskedAt: undefined, watchFailedAt: undefined };
  return carryOut(work, journal, seen, () =>
    Promise.resolve({ first: 'snapshot', strategy: strategyFor(settings) }),
  );
}

/** What `resume` would go on from. Nothing was changed. @throws FerryError RUN_ENDED, ROLLBACK_BEGUN (`refused`), and as `openAndLook` */
export async function planResume(
  context: Context,
  runDirectory: string,
  overrides: ServiceOverrides = {},
): Promise<SeenRun> {
  const seen = await openAndLook(context, runDirectory, overrides);
  refuseEnded(seen.run, runDirectory, seen.standing);
  refuseHalfRolledBack(seen.run, runDirectory, seen.standing);
  return seen;
}

/**
 * Goes on where a run was cut off. What was done before the stop is not done again; from the stop on, the
 * difference is made anew by comparing both stores, because nobody knows how far it came.
 */
export async function resumeMigration(
  context: Context,
  runDirectory: string,
  tool: string,
  overrides: ServiceOverrides = {},
): Promise<MigrationReport> {
  const { run, source, standing } = await planResume(context, runDirectory, overrides);
  const { settings } = run;
  const secrets = await readSecrets(settings).catch((cause: unknown) => {
    throw notResumed({ standing, cause });
  });
  const journal = await Journal.reopen(runDirectory);
  const work = { context, settings, secrets, source, runDirectory, tool };
  return carryOut(work, journal, run, async (resources) => {
    try {
      return await whereToGoOn(run, resources);
    } catch (cause) {
      throw notResumed({ standing, cause });
    }
  });
}

type Work = Pick<StepContext, 'context' | 'settings' | 'secrets' | 'source' | 'runDirectory' | 'tool'>;

async function carryOut(
  work: Work,
  journal: Journal,
  seen: Pick<RunState, 'facts' | 'warnings' | 'stopAskedAt' | 'watchFailedAt'>,
  begin: (resources: RunResources) => Promise<Beginning>,
): Promise<MigrationReport> {
  const resources = new RunResources(work.context, work.settings, work.secrets);
  try {
    const { first, strategy } = await begin(resources);
    const step: StepContext = {
      ...{ ...work, facts: { ...seen.facts }, resources },
      ...{ resumed: first !== 'snapshot', startedBefore: first === 'start' },
      ...{ awaySince: seen.stopAskedAt, watchFailedAt: seen.watchFailedAt },
    };
    const done = await runSteps(strategy, first, step, journal);
    return reportOf(done, work.runDirectory, work.settings, seen.warnings);
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
