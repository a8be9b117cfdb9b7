import type { Context } from '../core/context.js';
import { FerryError, type FailureKind } from '../core/errors.js';
import { formatDuration } from '../core/units.js';
import type { Revision } from '../store/view.js';
import { factsOf, type RunState } from './engine/journal.js';
import { openRun } from './open-run.js';
import { describeProofs, failed, failureOf, proven, type Proof } from './proof.js';
import { readSecrets } from './read-secrets.js';
import { RunResources } from './resources.js';
import { proveServed } from './served-store.js';
import type { Secrets } from './settings.js';
import { findSource } from './source.js';
import { switchedConfiguration, switchedEnvironment } from './copy/configure.js';
import { watchBackend } from './watch/watch.js';

export interface Verification {
  readonly runDirectory: string;
  readonly proofs: readonly Proof[];
  readonly watch: { readonly seconds: number; readonly proofs: readonly Proof[] };
}

/** How far back the log is read. */
const logMinutes = 10;

/**
 * Looks at a backend that was migrated, at any later time, by the settings in the journal. It has written since, so
 * its store can no longer be compared with the old one.
 * @throws FerryError RUN_NOT_MIGRATED (`refused`), as `openRun`, and when a side cannot be asked at all
 */
export async function verifyRun(
  context: Context,
  runDirectory: string,
  watchSeconds: number,
): Promise<Verification> {
  const run = await openRun(runDirectory);
  refuseUnmigrated(run, runDirectory);
  const { settings, facts } = run;
  const secrets = await readSecrets(settings);
  const source = await findSource(context, settings, runDirectory);
  const resources = new RunResources(context, settings, secrets);
  const { sensuClusterId } = factsOf(facts, 'snapshot');
  const switchedAt = BigInt(factsOf(facts, 'difference').targetRevision);
  const backend = { context, settings, secrets, source, resources };
  try {
    const proofs = [
      await configurationStays(run, secrets),
      ...(await proveServed(backend, sensuClusterId, (switchedAt + 1n) as Revision)),
    ];
    const watched = {
      ...backend,
      sensuClusterId,
      since: logSince(context, run),
      pastFaults: 'warns' as const,
    };
    const watch = { seconds: watchSeconds, proofs: await watchBackend(watched, watchSeconds) };
    return { runDirectory, proofs, watch };
  } finally {
    await resources.close();
  }
}

function refuseUnmigrated({ outcome, facts }: RunState, runDirectory: string): void {
  if (facts.start !== undefined && (outcome === 'migrated' || outcome === undefined)) return;
  throw new FerryError({
    kind: 'refused',
    code: 'RUN_NOT_MIGRATED',
    message: `The migration in ${runDirectory} has not put the backend on the external etcd${outcome === undefined ? '' : `: ${outcome}`}.`,
    hint: `See how it stands with 'sensu-ferry migrate status --run-dir ${runDirectory}'.`,
  });
}

/** What manages the files may have put the old ones back: the next restart would bring the old store up. */
async function configurationStays({ settings }: RunState, secrets: Secrets): Promise<Proof> {
  const what = 'configuration is switched';
  try {
    const yml = await switchedConfiguration({ settings });
    const { sensu } = secrets;
    const environment = sensu && (await switchedEnvironment({ settings }, sensu));
    const files = [settings.backendConfig, ...(sensu ? [settings.envFile] : [])];
    const changed = [
      ...yml.changes.map(({ key }) => `${key} in ${settings.backendConfig}`),
      ...(environment?.changed ?? []).map((name) => `${name} in ${settings.envFile}`),
    ];
    return changed.length === 0
      ? proven(
          what,
          `${files.join(' and ')} ${sensu ? 'are' : 'is'} as the migration left ${sensu ? 'them' : 'it'}`,
        )
      : failed(what, `changed since: ${changed.join(', ')}. The next restart of the backend obeys that`);
  } catch (error) {
    if (error instanceof Error) return failed(what, error.message);
    throw error;
  }
}

function logSince({ clock }: Context, { facts }: RunState): Date {
  const started = new Date(factsOf(facts, 'start').answeredAt).getTime();
  return new Date(Math.max(started, clock.now().getTime() - logMinutes * 60_000));
}

/** As the steps of a migration end with such proofs; undefined when all is well. */
export function verdictOf({ proofs, watch }: Verification): FailureKind | 'warnings' | undefined {
  if (proofs.some(({ outcome }) => outcome === 'failed')) return 'integrity';
  return (
    failureOf(watch.proofs) ??
    ([...proofs, ...watch.proofs].some(({ outcome }) => outcome === 'warning') ? 'warnings' : undefined)
  );
}

export function describeVerification(verification: Verification): readonly string[] {
  const { proofs, watch, runDirectory } = verification;
  const verdict = verdictOf(verification);
  return [
    `The migration in ${runDirectory}, looked at again:`,
    ...describeProofs(proofs),
    '',
    watch.seconds > 0 ? `Watched for ${formatDuration(watch.seconds * 1000)}:` : 'At work:',
    ...describeProofs(watch.proofs),
    ...(verdict === undefined || verdict === 'warnings'
      ? []
      : ['', `To go back: sensu-ferry migrate rollback --run-dir ${runDirectory}`]),
  ];
}
