import { formatBytes, formatCount, formatDuration } from '../core/units.js';
import type { Facts } from './facts.js';
import type { RecordedSettings } from './settings.js';

/** What a finished migration leaves behind, for the operator and for `--json`. */
export interface MigrationReport {
  readonly facts: Facts;
  readonly runDirectory: string;
  readonly endpoints: readonly string[];
  readonly next: readonly string[];
}

export function reportOf(facts: Facts, runDirectory: string, settings: RecordedSettings): MigrationReport {
  return {
    facts,
    runDirectory,
    endpoints: settings.endpoints,
    next: nextSteps(settings, runDirectory, facts),
  };
}

function nextSteps(settings: RecordedSettings, runDirectory: string, facts: Facts): string[] {
  return [
    'Watch the checks and handlers for a while. /health shows members as unhealthy under password auth; that is a known fault of Sensu.',
    `To go back: sensu-ferry migrate rollback --run-dir ${runDirectory} (what was written since stays on the external etcd).`,
    `When all is well, move the old store away: ${facts.configure.oldStore}. It holds passwords and keys.`,
    `Keep or encrypt ${runDirectory}: the snapshot in it holds passwords and keys.`,
    `Ansible, Puppet or Chef must know the new ${settings.backendConfig} and ${settings.envFile}, or they will undo this.`,
    'Set compaction on the external members: --auto-compaction-mode revision --auto-compaction-retention 2.',
  ];
}

export function describeReport(report: MigrationReport): string {
  const { snapshot, load, difference, start, verify, configure } = report.facts;
  const prefixes = snapshot.prefixes.map(
    ({ prefix, keys, bytes }) =>
      `  ${formatCount(keys).padStart(10)}  ${formatBytes(bytes).padStart(10)}  ${prefix}`,
  );
  return [
    `Migrated to ${report.endpoints.join(', ')}.`,
    '',
    `${formatCount(difference.keys)} keys and ${formatCount(load.leases)} leases; the backend was away for ${formatDuration(start.downtimeMilliseconds)}.`,
    `Loaded while it ran: ${formatCount(load.keys)} keys in ${formatDuration(load.milliseconds)}. Carried over after the stop: ` +
      `${formatCount(difference.put)} put, ${formatCount(difference.deleted)} deleted` +
      (difference.walEntries > 0 ? `, ${formatCount(difference.walEntries)} log entries replayed.` : '.'),
    verify.digest === null ? undefined : `Content digest of both stores: ${verify.digest.lasting}`,
    '',
    `Users carried with their passwords: ${snapshot.users.join(', ') || 'none'}`,
    `API keys carried: ${snapshot.apiKeys.map(({ owner, hint }) => `${hint} (${owner})`).join(', ') || 'none'}`,
    '',
    'Keys in the safety snapshot:',
    ...prefixes,
    '',
    'Proofs:',
    ...verify.proofs.map(({ what, outcome, found }) => `  ${outcome.padEnd(12)}${what}: ${found}`),
    '',
    'Changed:',
    ...[...configure.backendYml, ...configure.environment].map((line) => `  ${line}`),
    '',
    'Next:',
    ...report.next.map((line) => `  - ${line}`),
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}
