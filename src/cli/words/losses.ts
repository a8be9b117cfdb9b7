import { formatCount, formatCounted, formatSome } from '../../core/units.js';
import type { Listing, LossReport } from '../../dump/loss-report.js';

interface Flags {
  readonly output?: string;
  readonly withSecrets?: boolean;
}

/** What is in the dump, and what is not: a line each. */
export function describeLosses(report: LossReport, { output, withSecrets }: Flags): readonly string[] {
  const where = output === undefined ? '' : ` to ${output}`;
  const types = Object.entries(report.types).map(([type, count]) => `${formatCount(count)} ${type}`);
  const losses = lossLines(report, withSecrets === true);
  return [
    `Dumped ${formatCounted(report.resources, 'resource')}${where}: ${types.join(', ') || 'none'}.`,
    ...(losses.length > 0
      ? ['Lost with this dump:', ...losses.map((line) => `  ${line}`)]
      : ['Nothing is lost with this dump, but what no dump holds.']),
    ...leftOutLines(report),
    'When sensuctl create reads it:',
    ...restoreLines(report).map((line) => `  ${line}`),
    `No dump holds: ${report.neverHeld.join('; ')}.`,
  ];
}

function lossLines(report: LossReport, withSecrets: boolean): string[] {
  const { usersWithoutPassword: users, apiKeys } = report;
  const lines = [
    users.length > 0 &&
      `the passwords of ${formatCounted(users.length, 'user')}: ${users.join(', ')}${withSecrets ? ' (none is stored)' : ' (--with-secrets carries them)'}`,
    apiKeys.length > 0 &&
      `${formatCounted(apiKeys.length, 'API key')}, which create refuses, although the dump has them in clear: ${apiKeys.map(({ owner, hint }) => `${hint} of ${owner}`).join(', ')}`,
    listed(
      report.redacted,
      'resource with masked values',
      ({ type, namespace, name, paths }) => `${type} ${inNamespace(namespace, name)} (${paths.join(', ')})`,
    ),
    listed(
      report.fieldsNotShown,
      'resource with fields that no dump shows',
      ({ type, namespace, name, paths }) => `${type} ${inNamespace(namespace, name)} (${paths.join(', ')})`,
    ),
    listed(report.unreadable, 'value that cannot be decoded', ({ key, why }) => `${key} (${why})`),
    listed(report.halfEntities, 'state of an entity that has no configuration', ({ namespace, name }) =>
      inNamespace(namespace, name),
    ),
    ...report.leftOut.map(
      ({ group, keys }) => `${formatCounted(keys, 'key')} under ${group}, of a kind that no dump holds`,
    ),
    ...report.skippedTypes.map(({ type, why }) => `everything of the type ${type}: ${why}`),
    listed(
      report.refusedEntities,
      'entity that create refuses, as an agent manages it',
      ({ namespace, name }) => inNamespace(namespace, name),
    ),
    listed(
      report.silencesCutShort,
      'silence that Sensu 6.12 refuses or cuts to a day',
      ({ namespace, name }) => inNamespace(namespace, name),
    ),
  ];
  return lines.filter((line) => line !== false && line !== undefined);
}

/** What is not in the dump, and no loss. */
function leftOutLines({ endedSilences: { count: total, first } }: LossReport): string[] {
  if (total === 0) return [];
  const some = formatSome(
    first.map(({ namespace, name }) => inNamespace(namespace, name)),
    total,
  );
  return [`Left out, as Sensu does: ${formatCounted(total, 'silence')} that had ended: ${some}.`];
}

function restoreLines(report: LossReport): string[] {
  const { labelled, eventsHandledAgain, apiKeys, silencesEndedSince } = report;
  const lines = [
    masked(report.maskedByCreate),
    `${formatCounted(labelled, 'resource gets', 'resources get')} the label sensu.io/managed_by: sensuctl`,
    eventsHandledAgain > 0 &&
      `${formatCounted(eventsHandledAgain, 'event goes to its', 'events go to their')} handlers again: --omit events`,
    silencesEndedSince.count > 0 &&
      `${formatCounted(silencesEndedSince.count, 'silence that ended since the store was as it is is', 'silences that ended since the store was as it is are')} deleted at once`,
    apiKeys.length > 0 && 'it stops at the first API key: --omit apikeys',
  ];
  return lines.filter((line) => line !== false);
}

function masked({ count: total, first }: LossReport['maskedByCreate']): string | false {
  if (total === 0) return false;
  const some = formatSome(
    first.map(
      ({ type, namespace, name, paths }) => `${type} ${inNamespace(namespace, name)} (${paths.join(', ')})`,
    ),
    total,
  );
  return `it stores REDACTED in the place of what is in clear here; restore config does not: ${some}`;
}

function listed<Item>(
  { count: total, first }: Listing<Item>,
  what: string,
  show: (item: Item) => string,
): string | undefined {
  if (total === 0) return undefined;
  const some = formatSome(first.map(show), total);
  return `${total === 1 ? `a ${what}` : `${formatCount(total)} times: a ${what}`}: ${some}`.replace(
    /^a (?=[aeio])/,
    'an ',
  );
}

function inNamespace(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}
