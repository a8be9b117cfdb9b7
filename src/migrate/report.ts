import { formatBytes, formatCount, formatCounted, formatDuration } from '../core/units.js';
import { outsideRoot } from '../sensu/keys/key-space.js';
import { loginWords, type BackendLogin } from '../rbac/login.js';
import { isConfiguration } from './configuration.js';
import type { Facts } from './facts.js';
import { describeProofs, saidOf } from './proof.js';
import { notCompacted } from './served-store.js';
import { loginOf, type RecordedSettings } from './settings.js';

type PrefixSums = Facts['snapshot']['prefixes'][number];

/** What a finished migration leaves behind, for the operator and for `--json`. */
export interface MigrationReport {
  readonly facts: Facts;
  readonly runDirectory: string;
  readonly endpoints: readonly string[];
  readonly login: BackendLogin;
  readonly carried: readonly PrefixSums[];
  /** What is in the safety snapshot and in the old store, but not on the target. */
  readonly leftBehind: readonly PrefixSums[];
  /** What works and needs the operator's eyes, of the plan and of the run: they end it with another exit code. */
  readonly warnings: readonly string[];
  readonly next: readonly string[];
}

/** @param planWarnings What the plan warned of before the run was begun. */
export function reportOf(
  facts: Facts,
  runDirectory: string,
  settings: RecordedSettings,
  planWarnings: readonly string[],
): MigrationReport {
  const isCarried = ({ prefix }: PrefixSums): boolean =>
    prefix !== outsideRoot && (!settings.configOnly || isConfiguration(Buffer.from(prefix)));
  const { prefixes } = facts.snapshot;
  const seen = saidOf([...facts.verify.proofs, ...(facts.watch?.proofs ?? [])], 'warning');
  return {
    facts,
    runDirectory,
    endpoints: settings.endpoints,
    login: loginOf(settings),
    carried: prefixes.filter(isCarried),
    leftBehind: prefixes.filter((sums) => !isCarried(sums)),
    warnings: [...planWarnings, ...seen],
    next: [...seen, ...nextSteps(settings, runDirectory, facts)],
  };
}

function nextSteps(settings: RecordedSettings, runDirectory: string, facts: Facts): string[] {
  const { archive } = facts.snapshot;
  return [
    ...(settings.configOnly
      ? [
          'Close by hand what was open in other systems: events stayed behind, so Sensu resolves none of it.',
          `The old events: sensu-ferry dump --from ${archive} --types events`,
        ]
      : []),
    'Watch the checks and handlers for a while.',
    `To go back: sensu-ferry migrate rollback --run-dir ${runDirectory} (what was written since stays on the external etcd).`,
    `When all is well, move the old store away: ${facts.configure.oldStore}. It holds passwords and keys.`,
    `Keep or encrypt ${runDirectory}: the snapshot in it holds passwords and keys.`,
    `Ansible, Puppet or Chef must know the new ${settings.backendConfig}${settings.auth === 'password' ? ` and ${settings.envFile}` : ''}, or they will undo this.`,
    ...facts.verify.proofs
      .filter(({ found }) => found === notCompacted)
      .map(({ what, found }) => `${what}: ${found}.`),
  ];
}

function describeSums({ prefix, keys, bytes }: PrefixSums): string {
  return `  ${formatCount(keys).padStart(10)}  ${formatBytes(bytes).padStart(10)}  ${prefix}`;
}

export function describeReport(report: MigrationReport): readonly string[] {
  const { snapshot, grants, load, difference, start, verify, watch, configure } = report.facts;
  return [
    `Migrated to ${report.endpoints.join(', ')}. The backend logs in there ${loginWords(report.login)}.`,
    '',
    `${formatCounted(difference.keys, 'key')} and ${formatCounted(load.leases, 'lease')}; the backend was away for ${start.downtimeAtMost ? 'at most ' : ''}${formatDuration(start.downtimeMilliseconds)}.`,
    `Loaded while it ran: ${formatCounted(load.keys, 'key')} in ${formatDuration(load.milliseconds)}. Carried over after the stop: ` +
      `${formatCount(difference.put)} put, ${formatCount(difference.deleted)} deleted` +
      (difference.walEntries > 0
        ? `, ${formatCounted(difference.walEntries, 'log entry', 'log entries')} replayed.`
        : '.'),
    verify.digest === null
      ? undefined
      : `Content digest of what was carried, in both stores: ${verify.digest.lasting}`,
    '',
    `Users carried with their passwords: ${snapshot.users.join(', ') || 'none'}`,
    `API keys carried: ${snapshot.apiKeys.map(({ owner, hint }) => `${hint} (${owner})`).join(', ') || 'none'}`,
    '',
    'Carried, as counted in the safety snapshot:',
    ...report.carried.map(describeSums),
    ...(report.leftBehind.length > 0 ? ['', 'Stayed behind:'] : []),
    ...report.leftBehind.map(describeSums),
    '',
    'Proofs:',
    ...describeProofs(verify.proofs),
    ...(watch === undefined
      ? []
      : ['', `Watched for ${formatDuration(watch.seconds * 1000)} since:`, ...describeProofs(watch.proofs)]),
    '',
    'Changed:',
    ...[...configure.backendYml, ...configure.environment].map((line) => `  ${line}`),
    ...(grants.changes.length > 0 ? ['', 'Changed on the target:'] : []),
    ...grants.changes.map((line) => `  ${line}`),
    '',
    'Next:',
    ...report.next.map((line) => `  - ${line}`),
  ].filter((line) => line !== undefined);
}
