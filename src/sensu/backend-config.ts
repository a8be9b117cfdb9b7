import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { FerryError, systemCode } from '../core/errors.js';
import { definitions, type Kind, type KindOf, type SettingName, type Value } from './backend-settings.js';

/** Where a value comes from; the first of these that has one counts. */
export type Origin = 'flag' | 'environment' | 'file' | 'default';

export interface Setting<T> {
  readonly value: T;
  readonly origin: Origin;
}

export interface ConfigFinding {
  readonly severity: 'refusal' | 'warning' | 'note';
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string;
}

/** The configuration as Sensu itself would read it. */
export interface BackendConfig {
  get<Name extends SettingName>(name: Name): Setting<Value<KindOf<Name>>>;
  /** `<state-dir>/etcd`, which holds `data` and `wal`. */
  readonly dataDirectory: string;
  /** What the backend's own etcd client dials: an external etcd, or the embedded one. */
  readonly clientEndpoints: readonly string[];
  /** What is written there and read by Sensu as something else. */
  readonly findings: readonly ConfigFinding[];
}

export interface ConfigSources {
  /** Path of the file. */
  readonly backendYml: string;
  /** Of the environment files and the unit, the one that counts for each name. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Words of the start command. */
  readonly flags?: readonly string[];
}

/** @throws FerryError `usage` for a file that Sensu could not read either, naming file and line */
export async function readBackendConfig(sources: ConfigSources): Promise<BackendConfig> {
  const text = await readText(sources.backendYml);
  return parseBackendConfig(text, sources);
}

export function parseBackendConfig(text: string, sources: ConfigSources): BackendConfig {
  const reader = new SettingReader(
    parseYaml(text, sources.backendYml),
    sources.environment ?? {},
    parseFlags(sources.flags ?? []),
  );
  const get: BackendConfig['get'] = (name) => reader.get(name);
  return {
    get,
    dataDirectory: join(get('state-dir').value, 'etcd'),
    clientEndpoints: clientEndpoints(get),
    // Every setting is read once here, so that nothing that is misread stays unsaid.
    findings: (Object.keys(definitions) as SettingName[]).flatMap((name) => reader.findings(name)),
  };
}

/** `etcd-client-urls` without `no-embed-etcd` is read by nobody: the embedded etcd is dialled by what it advertises. */
function clientEndpoints(get: BackendConfig['get']): readonly string[] {
  const clientUrls = get('etcd-client-urls').value;
  if (get('no-embed-etcd').value && clientUrls.length > 0) return clientUrls;
  return get('etcd-advertise-client-urls').value;
}

const largestFile = 1024 * 1024;

async function readText(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > largestFile) throw unusable(path, 'is larger than 1 MiB');
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof FerryError) throw error;
    throw unusable(path, `cannot be read (${systemCode(error) ?? 'unknown error'})`);
  }
}

/** Top-level keys in lower case, as Sensu finds them. */
function parseYaml(text: string, path: string): ReadonlyMap<string, unknown> {
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true, merge: true });
  const error = document.errors[0];
  if (error !== undefined) {
    const line = error.linePos?.[0].line;
    const place = line === undefined ? '' : ` in line ${line}`;
    throw unusable(path, `is not valid YAML${place}: ${error.message.split('\n')[0]!}`);
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch {
    throw unusable(path, 'holds aliases that blow up');
  }
  if (value === null || value === undefined) return new Map();
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw unusable(
      path,
      `holds ${Array.isArray(value) ? 'a list' : 'a single value'} where keys and values belong`,
    );
  }
  return new Map(Object.entries(value).map(([key, part]) => [key.toLowerCase(), part]));
}

function unusable(path: string, fault: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'BACKEND_CONFIG_UNUSABLE',
    message: `${path} ${fault}.`,
    hint: 'Give the backend.yml that the backend is started with. Nothing was changed.',
  });
}

/** The last one wins; a list flag that is repeated gathers. */
function parseFlags(words: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const flags = new Map<string, string[]>();
  for (let index = 0; index < words.length; index += 1) {
    const match = /^(?:--([^=]+)|-(d))(?:=(.*))?$/s.exec(words[index]!);
    if (match === null) continue;
    const name = match[2] === 'd' ? 'state-dir' : match[1]!;
    const isBoolean = name in definitions && definitions[name as SettingName].kind === 'boolean';
    const value = match[3] ?? (isBoolean ? 'true' : (words[(index += 1)] ?? ''));
    flags.set(name, [...(flags.get(name) ?? []), value]);
  }
  return flags;
}

class SettingReader {
  readonly #file: ReadonlyMap<string, unknown>;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #flags: ReadonlyMap<string, readonly string[]>;

  constructor(
    file: ReadonlyMap<string, unknown>,
    environment: Readonly<Record<string, string>>,
    flags: ReadonlyMap<string, readonly string[]>,
  ) {
    this.#file = file;
    this.#environment = environment;
    this.#flags = flags;
  }

  get<Name extends SettingName>(name: Name): Setting<Value<KindOf<Name>>> {
    const { kind } = definitions[name];
    const { raw, origin } = this.#raw(name);
    const value = raw === undefined ? definitions[name].default : convert(raw, kind, origin);
    return { value: value as Value<KindOf<Name>>, origin: raw === undefined ? 'default' : origin };
  }

  findings(name: SettingName): ConfigFinding[] {
    const { raw, origin } = this.#raw(name);
    return raw === undefined ? [] : misread(name, raw, definitions[name].kind, origin);
  }

  /** An empty variable does not override the file. */
  #raw(name: SettingName): { readonly raw: unknown; readonly origin: Origin } {
    const flag = this.#flags.get(name);
    if (flag !== undefined) {
      return { raw: definitions[name].kind === 'list' ? flag.join(',') : flag.at(-1), origin: 'flag' };
    }
    const variable = this.#environment[variableOf(name)];
    if (variable !== undefined && variable !== '') return { raw: variable, origin: 'environment' };
    return { raw: this.#file.get(name) ?? undefined, origin: 'file' };
  }
}

export const variableOf = (name: string): string =>
  `SENSU_BACKEND_${name.toUpperCase().replaceAll('-', '_')}`;

function convert(raw: unknown, kind: Kind, origin: Origin): boolean | string | readonly string[] {
  switch (kind) {
    case 'boolean':
      return typeof raw === 'number' ? raw !== 0 : raw === true || goTrue.has(textOf(raw));
    case 'string':
      // A list where a string belongs is read as an empty string, without a word.
      return textOf(raw);
    case 'list':
      if (origin === 'flag') return textOf(raw).split(',');
      return words(raw);
    case 'words':
      return words(raw);
  }
}

const goTrue = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const goFalse = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False', '']);

function words(raw: unknown): readonly string[] {
  if (Array.isArray(raw)) return raw.map(textOf);
  return textOf(raw)
    .split(/\s+/)
    .filter((word) => word !== '');
}

/** A list or a map is no text, and reads as none. */
function textOf(raw: unknown): string {
  return typeof raw === 'string' || typeof raw === 'number' || typeof raw === 'boolean' ? String(raw) : '';
}

function misread(name: SettingName, raw: unknown, kind: Kind, origin: Origin): ConfigFinding[] {
  const place =
    origin === 'file' ? 'backend.yml' : origin === 'flag' ? 'the start command' : variableOf(name);
  if (kind === 'string' && typeof raw === 'object') {
    return [
      {
        severity: 'warning',
        code: 'LIST_FOR_STRING',
        sentence: `${name} in ${place} is a list where a string belongs: Sensu reads it as if it were not set.`,
        remedy: 'Write it as a string, or take it out.',
      },
    ];
  }
  if (kind === 'boolean' && typeof raw === 'string' && !goTrue.has(raw) && !goFalse.has(raw)) {
    return [
      {
        severity: 'warning',
        code: 'NOT_A_BOOLEAN',
        sentence: `${name} in ${place} is ${JSON.stringify(raw)}, which Sensu reads as false.`,
        remedy: 'Write true or false.',
      },
    ];
  }
  const isList = kind === 'words' || (kind === 'list' && origin !== 'flag');
  if (isList && words(raw).some((word) => word.includes(','))) {
    return [
      {
        severity: 'refusal',
        code: 'COMMA_SEPARATED_URLS',
        sentence: `${name} in ${place} is separated by commas: Sensu reads it as one URL, which leads nowhere.`,
        remedy: 'Write a YAML list, or separate the URLs by spaces.',
      },
    ];
  }
  return [];
}
