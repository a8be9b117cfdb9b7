import type { FerryError } from '../../core/errors.js';
import { formatCount, formatCounted } from '../../core/units.js';
import type { StoreDiff } from '../../snapshot/diff/diff.js';
import type { Finding, LayerResult } from '../../snapshot/verify/layers.js';
import type { FileVerification } from '../../snapshot/verify/verify.js';
import { describeAgainst } from './diff.js';

/** What was found out about a file, and how a live store differs from it where that was asked. */
export interface Verified extends FileVerification {
  readonly against?: StoreDiff;
}

/** A file that there is no verdict on: it is not there, or its key is missing. */
export interface Unverified {
  readonly path: string;
  readonly ok: false;
  readonly error: FerryError;
}

const indent = ' '.repeat(19);

/** A line a layer, and what was found below it. */
export function describeVerification(file: Verified): readonly string[] {
  const { path, ok, revision, keys, hashChecked, layers, against } = file;
  const verdict = ok ? (hashChecked ? 'ok' : 'ok as far as it can be told') : 'NOT OK';
  const content =
    revision === undefined || keys === undefined
      ? ''
      : `, revision ${revision}, ${formatCounted(keys, 'key')}`;
  return [
    `${path}: ${verdict}${content}`,
    ...layers.flatMap(describeLayer),
    ...(against === undefined ? [] : describeAgainst(against)),
  ];
}

export function describeUnverified({ path, error }: Unverified): readonly string[] {
  return [`${path}: cannot be verified: ${error.message} [${error.code}]`, `  hint: ${error.hint}`];
}

const statusWords: Readonly<Record<LayerResult['status'], string>> = {
  ok: 'ok',
  failed: 'failed',
  absent: 'none',
  skipped: 'skipped',
};

function describeLayer({ layer, status, counts, notes, findings, found }: LayerResult): string[] {
  const numbers = Object.entries(counts).map(([what, count]) =>
    formatCounted(count, words(what).replace(/s$/, ''), words(what)),
  );
  const wrong = found === 0 ? [] : [formatCounted(found, 'finding')];
  const head = `  ${layer.padEnd(8)} ${statusWords[status].padEnd(8)}${[...wrong, ...numbers].join(', ')}`;
  const more = found > findings.length ? [`and ${formatCount(found - findings.length)} more`] : [];
  const below = [...findings.map(describeFinding), ...more, ...notes.map((note) => `note: ${note}`)];
  return [head.trimEnd(), ...below.map((line) => `${indent}${line}`)];
}

function describeFinding({ what, page, offset, revision, key }: Finding): string {
  const places = [
    page === undefined ? undefined : `page ${page}`,
    offset === undefined ? undefined : `byte ${offset}`,
    key === undefined ? undefined : `key ${key}`,
    revision === undefined ? undefined : `revision ${revision}`,
  ].filter((place) => place !== undefined);
  return places.length === 0 ? what : `${places.join(', ')}: ${what}`;
}

/** `liveKeys` as `live keys`. */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
