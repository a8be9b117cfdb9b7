import {
  isCollection,
  isMap,
  isPair,
  isScalar,
  Lexer,
  parseDocument,
  type Document,
  type Node,
  type Pair,
} from 'yaml';
import { FerryError } from '../../core/errors.js';
import { yamlFault } from './yaml-fault.js';

/** Where the backend finds its external etcd. */
export interface ExternalEtcd {
  readonly clientUrls: readonly string[];
  readonly trustedCaFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

interface YmlChange {
  /** As it stands in the file. */
  readonly key: string;
  readonly before: unknown;
  /** Undefined for a key that is taken out. */
  readonly after: unknown;
  /** Half a sentence for the operator. */
  readonly why: string;
}

export interface RewrittenYml {
  readonly text: string;
  readonly changes: readonly YmlChange[];
}

/**
 * Settings of the embedded server, which mean nothing beside `no-embed-etcd`, but would bring the old
 * configuration back with it. `etcd-advertise-client-urls` even goes on to act: as fallback endpoints. Not among
 * them are `etcd-name`, which is a part of the keepalives' keys, and the log level of the client.
 */
const serverKeys = new Set([
  'etcd-advertise-client-urls',
  'etcd-listen-client-urls',
  'etcd-listen-peer-urls',
  'etcd-initial-advertise-peer-urls',
  'etcd-initial-cluster',
  'etcd-initial-cluster-state',
  'etcd-initial-cluster-token',
  'etcd-discovery',
  'etcd-discovery-srv',
  'etcd-peer-cert-file',
  'etcd-peer-key-file',
  'etcd-peer-trusted-ca-file',
  'etcd-peer-client-cert-auth',
  'etcd-client-cert-auth',
  'etcd-cipher-suites',
  'etcd-max-request-bytes',
  'etcd-quota-backend-bytes',
  'etcd-heartbeat-interval',
  'etcd-election-timeout',
  'etcd-log-level',
  'etcd-unsafe-no-fsync',
]);

/**
 * Switches a `backend.yml` to an external etcd. Every other line stays as it is, to the byte; what is set comes
 * where the first of the changed keys stood. Rewriting the result changes nothing.
 * @throws FerryError `usage` when the text is not YAML with keys at its top, or cannot be changed safely
 */
export function rewriteBackendYml(text: string, target: ExternalEtcd): RewrittenYml {
  const wanted = wantedSettings(target);
  const entries = topLevelEntries(text);
  const touched = entries.filter(({ name }) => Object.hasOwn(wanted, name) || serverKeys.has(name));
  const changes = changesOf(touched, wanted);
  if (changes.length === 0) return { text, changes };
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const block = settingLines(wanted).join(eol) + eol;
  const rewritten = replaceLines(text, touched, block, eol);
  requireOthersUnchanged(entries, rewritten, new Set(touched.map(({ name }) => name)), wanted);
  return { text: rewritten, changes };
}

type Wanted = Readonly<Record<string, boolean | string | readonly string[] | undefined>>;

/** Undefined: the setting is taken out. A certificate of the old server is none for the new one's clients. */
function wantedSettings(target: ExternalEtcd): Wanted {
  return {
    'no-embed-etcd': true,
    'etcd-client-urls': target.clientUrls,
    'etcd-trusted-ca-file': target.trustedCaFile,
    'etcd-cert-file': target.certFile,
    'etcd-key-file': target.keyFile,
  };
}

interface Entry {
  /** In lower case: Sensu does not tell cases apart. */
  readonly name: string;
  readonly key: string;
  readonly value: unknown;
  /** From the start of its first line to behind the end of its last one. */
  readonly start: number;
  readonly end: number;
  /** Comments behind the value and within it, which do not go with it. */
  readonly comments: readonly string[];
}

function topLevelEntries(text: string): Entry[] {
  // What a reader puts for bytes that are no UTF-8, and Sensu refuses: written back, they would be lost.
  if (text.includes('\ufffd')) throw notYaml('it is not UTF-8');
  const document = parseDocument(text);
  const error = document.errors[0];
  if (error !== undefined) throw notYaml(yamlFault(error));
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return [];
  if (!isMap(contents) || contents.flow === true) throw notYaml('its top is not a block of keys');
  const values = plainValues(document);
  return contents.items.filter(isPair).map((pair) => entryOf(text, pair as Pair<Node, Node | null>, values));
}

/** An alias whose anchor went with another key is an error only here. */
function plainValues(document: Document): Readonly<Record<string, unknown>> {
  try {
    return document.toJS({ maxAliasCount: 100 }) as Record<string, unknown>;
  } catch (error) {
    throw notYaml(error instanceof Error ? error.message : 'an alias leads nowhere');
  }
}

function entryOf(
  text: string,
  pair: Pair<Node, Node | null>,
  values: Readonly<Record<string, unknown>>,
): Entry {
  const key = isScalar(pair.key) ? String(pair.key.value) : '';
  const valueEnd = pair.value === null ? pair.key.range![1] : endOf(pair.value, pair.key.range![1]);
  const start = text.lastIndexOf('\n', pair.key.range![0] - 1) + 1;
  // A block scalar ends behind its last line already.
  const lineEnd = text[valueEnd - 1] === '\n' ? valueEnd - 1 : text.indexOf('\n', valueEnd);
  const end = lineEnd < 0 ? text.length : lineEnd + 1;
  return {
    name: key.toLowerCase(),
    key,
    // A key may be called as what every object has.
    value: Object.hasOwn(values, key) ? values[key] : undefined,
    start,
    end,
    comments: commentsIn(text.slice(start, end)),
  };
}

/** Told by the library's lexer: a # within quotes or a block of text is none. */
function commentsIn(lines: string): string[] {
  return [...new Lexer().lex(lines)].filter((token) => token.startsWith('#')).map((token) => token.trimEnd());
}

/** The end of a collection as the library gives it takes in comments that follow; that of its last value does not. */
function endOf(node: Node, least: number): number {
  if (!isCollection(node) || node.flow === true) return Math.max(node.range?.[1] ?? least, least);
  const last: unknown = node.items.at(-1);
  if (isPair(last)) {
    const { key, value } = last as Pair<Node, Node | null>;
    return endOf(value ?? key, least);
  }
  return last === undefined ? least : endOf(last as Node, least);
}

function changesOf(touched: readonly Entry[], wanted: Wanted): YmlChange[] {
  const present = new Map(touched.map((entry) => [entry.name, entry]));
  const set = Object.entries(wanted).flatMap(([name, after]) => {
    const entry = present.get(name);
    if (JSON.stringify(entry?.value) === JSON.stringify(after)) return [];
    return [{ key: entry?.key ?? name, before: entry?.value, after, why: whySet(name, after) }];
  });
  const removed = touched.filter(({ name }) => !Object.hasOwn(wanted, name));
  return [
    ...set,
    ...removed.map(({ key, name, value }) => ({
      key,
      before: value,
      after: undefined,
      why: whyRemoved(name),
    })),
  ];
}

function whySet(name: string, after: unknown): string {
  if (name === 'no-embed-etcd') return 'the switch itself: without it the backend starts its embedded etcd';
  if (name === 'etcd-client-urls') return 'the members of the external etcd';
  return after === undefined
    ? 'belonged to the embedded server, and none was given for the external etcd'
    : 'for the connection to the external etcd';
}

function whyRemoved(name: string): string {
  return name === 'etcd-advertise-client-urls'
    ? 'would go on to act, as fallback endpoints'
    : 'a setting of the embedded server';
}

/** A JSON string is a YAML string too, whatever is in it. */
function settingLines(wanted: Wanted): string[] {
  return Object.entries(wanted).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (typeof value !== 'object') return [`${name}: ${JSON.stringify(value)}`];
    return [`${name}:`, ...value.map((item) => `  - ${JSON.stringify(item)}`)];
  });
}

function replaceLines(text: string, touched: readonly Entry[], block: string, eol: string): string {
  const at = touched[0]?.start;
  let result = '';
  let from = 0;
  for (const { start, end, comments } of touched) {
    result += text.slice(from, start);
    if (start === at) result += block;
    result += comments.map((comment) => comment + eol).join('');
    from = end;
  }
  result += text.slice(from);
  return at === undefined ? appendBlock(result, block, eol) : result;
}

/** Before a mark of the document's end, if there is one. */
function appendBlock(text: string, block: string, eol: string): string {
  const mark = /^\.\.\.[ \t]*\r?$/m.exec(text)?.index ?? text.length;
  const body = text.slice(0, mark);
  return body + (body === '' || body.endsWith('\n') ? '' : eol) + block + text.slice(mark);
}

/** An anchor in a line that went, or a layout that was not foreseen, must not lead to another configuration. */
function requireOthersUnchanged(
  before: readonly Entry[],
  text: string,
  touched: ReadonlySet<string>,
  wanted: Wanted,
): void {
  const after = new Map(topLevelEntries(text).map(({ name, value }) => [name, JSON.stringify(value)]));
  const asWanted = Object.entries(wanted).every(([name, value]) => after.get(name) === JSON.stringify(value));
  const others = before.filter(({ name }) => !touched.has(name));
  const same = others.every(({ name, value }) => after.get(name) === JSON.stringify(value));
  if (!asWanted || !same) throw notYaml('its layout does not allow to change single keys');
}

function notYaml(fault: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'BACKEND_YML_NOT_REWRITABLE',
    message: `backend.yml cannot be rewritten: ${fault}.`,
    hint: 'Write it as plain "key: value" lines. Nothing was changed.',
  });
}
