import { formatCount, formatSome } from '../../core/units.js';
import type { ApiValue } from '../../sensu/resources/api-value.js';
import { sumOf, type ChangeCounts } from '../../snapshot/diff/counts.js';
import type { StoreDiff } from '../../snapshot/diff/diff.js';
import type { FieldChange } from '../../snapshot/diff/fields.js';
import type { ResourceChange } from '../../snapshot/diff/resource-change.js';
import { toJson } from '../run.js';

interface Sides {
  readonly left: string;
  readonly right: string;
}

const signs: Readonly<Record<ResourceChange['change'], string>> = { added: '+', removed: '-', changed: '~' };

export function describeDiff(diff: StoreDiff, { left, right }: Sides): readonly string[] {
  const listed = (ephemeral: boolean): string[] =>
    diff.changes.filter((change) => change.ephemeral === ephemeral).flatMap(describeChange);
  const more =
    diff.notListed === 0 ? [] : [`and ${formatCount(diff.notListed)} more, not listed: see --limit`];
  const ephemeral =
    sumOf(diff.ephemeral) === 0
      ? []
      : ['', `Ephemeral, which comes and goes by itself: ${describeCounts(diff.ephemeral)}`, ...listed(true)];
  return [
    `--- ${left}, revision ${diff.leftRevision}`,
    `+++ ${right}, revision ${diff.rightRevision}`,
    ...listed(false),
    sumOf(diff.lasting) === 0
      ? `They hold the same${diff.configOnly ? ' configuration' : ''}.`
      : describeCounts(diff.lasting),
    ...ephemeral,
    ...more,
  ];
}

function describeCounts({ added, removed, changed }: ChangeCounts): string {
  return `${formatCount(added)} added, ${formatCount(removed)} removed, ${formatCount(changed)} changed`;
}

/** A line a resource, or a key that is none, and one a field. */
function describeChange(change: ResourceChange): string[] {
  const { kind, namespace, name, key } = change;
  const what =
    kind === undefined || name === undefined
      ? `${kind ?? 'key'} ${kind === undefined ? key : ''}`
      : `${kind} ${namespace === undefined || namespace === name ? '' : `${namespace}/`}${name}`;
  return [`${signs[change.change]} ${what.trim()}`, ...describeFields(change)];
}

function describeFields({ change, kind, fields, unreadable }: ResourceChange): string[] {
  if (unreadable) return ['    its value cannot be decoded'];
  if (change !== 'changed' || kind === undefined) return [];
  if (fields.length === 0) return ['    stored in another form that says the same, or with a lease'];
  return fields.map((field) => `    ${describeField(field)}`);
}

export function describeField({ path, before, after }: FieldChange): string {
  return `${path}: ${shortened(before)} -> ${shortened(after)}`;
}

const longest = 80;

function shortened(value: ApiValue | undefined): string {
  if (value === undefined) return '(none)';
  const text = toJson(value).replace(/\n\s*/g, ' ').trim();
  return text.length > longest ? `${text.slice(0, longest)}...` : text;
}

export function diffDocument(diff: StoreDiff, { left, right }: Sides): object {
  const { leftRevision, rightRevision, lasting, ephemeral, changes, notListed } = diff;
  return {
    same: sumOf(lasting) === 0,
    configOnly: diff.configOnly,
    before: { path: left, revision: leftRevision },
    after: { path: right, revision: rightRevision },
    lasting,
    ephemeral,
    changes: changes.map(changeDocument),
    notListed,
  };
}

function changeDocument(change: ResourceChange): object {
  const { kind = null, namespace = null, name = null, key, ephemeral, unreadable } = change;
  const fields = change.fields.map(({ path, before = null, after = null }) => ({ path, before, after }));
  return { change: change.change, kind, namespace, name, key, ephemeral, unreadable, fields };
}

const below = ' '.repeat(19);

/** How a live store differs from a snapshot, key by key. */
export function describeAgainst(diff: StoreDiff): string[] {
  const { lasting, ephemeral, changes, rightRevision, configOnly } = diff;
  const alone = configOnly ? ', configuration alone' : '';
  const status = sumOf(lasting) === 0 ? 'ok' : 'failed';
  const keys = changes.filter((change) => !change.ephemeral);
  const more = sumOf(lasting) - keys.length;
  return [
    `  against  ${status.padEnd(8)}live store at revision ${rightRevision}${alone}: ${describeCounts(lasting)}`,
    ...keys.map((change) => `${below}${signs[change.change]} ${change.key}${fieldNames(change)}`),
    ...(more > 0 ? [`${below}and ${formatCount(more)} more`] : []),
    ...(sumOf(ephemeral) > 0
      ? [`${below}note: of ephemeral keys, which come and go, ${describeCounts(ephemeral)}`]
      : []),
  ];
}

/** An event alone has dozens that change with each result. */
const namedFields = 5;

function fieldNames({ fields }: ResourceChange): string {
  if (fields.length === 0) return '';
  const some = formatSome(
    fields.slice(0, namedFields).map(({ path }) => path),
    fields.length,
  );
  return ` (${some})`;
}

export function againstDocument({
  configOnly,
  rightRevision,
  lasting,
  ephemeral,
  changes,
  notListed,
}: StoreDiff): object {
  const listed = changes.map(changeDocument);
  return {
    same: sumOf(lasting) === 0,
    configOnly,
    revision: rightRevision,
    lasting,
    ephemeral,
    changes: listed,
    notListed,
  };
}
