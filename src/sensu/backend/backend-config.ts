import { readFile, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isMap, isScalar, parseDocument, type Document } from 'yaml';
import { FerryError, systemCode } from '../../core/errors.js';
import { formatSome } from '../../core/units.js';
import { definitions, type Kind, type KindOf, type SettingName, type Value } from './backend-settings.js';
import { expandVariables, parseFlags, type Flags } from './command-flags.js';
import { yamlFault } from './yaml-fault.js';

/** Where a value comes from; the first of these that has one counts. */
type Origin = 'flag' | 'environment' | 'file' | 'default';

interface Setting<T> {
  readonly value: T;
  readonly origin: Origin;
}

interface ConfigFinding {
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
  const config = parseBackendConfig(await readText(sources.backendYml), sources);
  return { ...config, findings: [...config.findings, ...(await otherFile(sources))] };
}

export function parseBackendConfig(text: string, sources: ConfigSources): BackendConfig {
  const file = parseYaml(text, sources.backendYml);
  const reader = new SettingReader(file.values, sources.environment ?? {}, flagsOf(sources));
  const get: BackendConfig['get'] = (name) => reader.get(name);
  return {
    get,
    dataDirectory: join(get('state-dir').value, 'etcd'),
    clientEndpoints: clientEndpoints(get),
    // Every setting is read once here, so that nothing that is misread stays unsaid.
    findings: [
      ...file.findings,
      ...(Object.keys(definitions) as SettingName[]).flatMap((name) => reader.findings(name)),
    ],
  };
}

function flagsOf({ flags = [], environment = {} }: ConfigSources): Flags {
  return parseFlags(expandVariables(flags, environment));
}

/** `etcd-client-urls` without `no-embed-etcd` is read by nobody: the embedded etcd is dialled by what it advertises. */
function clientEndpoints(get: BackendConfig['get']): readonly string[] {
  const clientUrls = get('etcd-client-urls').value;
  if (get('no-embed-etcd').value && clientUrls.length > 0) return clientUrls;
  return get('etcd-advertise-client-urls').value;
}

/** A unit that starts the backend with another file makes every change to this one vain. */
async function otherFile(sources: ConfigSources): Promise<ConfigFinding[]> {
  const started =
    flagsOf(sources).get('config-file')?.at(-1) || sources.environment?.['SENSU_BACKEND_CONFIG_FILE'];
  if (started === undefined || started === '') return [];
  const [given, read] = await Promise.all([sources.backendYml, started].map(canonical));
  if (given === read) return [];
  return [
    {
      severity: 'warning',
      code: 'OTHER_CONFIG_FILE',
      sentence: `The unit starts the backend with ${started}, not with ${sources.backendYml}.`,
      remedy: 'Give that file with --backend-config, unless your own start command uses another one.',
    },
  ];
}

/** The path itself where there is nothing yet. */
export const canonical = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

const largestFile = 1024 * 1024;

async function readText(path: string): Promise<string> {
  try {
    const found = await stat(path);
    // To open a pipe would be to wait for ever.
    if (!found.isFile()) throw unusable(path, 'is no regular file');
    if (found.size > largestFile) throw unusable(path, 'is larger than 1 MiB');
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof FerryError) throw error;
    if (error instanceof TypeError) throw unusable(path, 'is not UTF-8');
    throw unusable(path, `cannot be read (${systemCode(error) ?? 'unknown error'})`);
  }
}

interface ParsedFile {
  /** By keys in lower case, as Sensu finds them. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly findings: readonly ConfigFinding[];
}

function parseYaml(text: string, path: string): ParsedFile {
  const document = parseAsSensu(text);
  const error = document.errors[0];
  if (error !== undefined) throw unusable(path, `is not valid YAML: ${yamlFault(error)}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch {
    throw unusable(path, 'holds aliases that blow up');
  }
  if (value === null || value === undefined) return { values: new Map(), findings: [] };
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw unusable(
      path,
      `holds ${Array.isArray(value) ? 'a list' : 'a single value'} where keys and values belong`,
    );
  }
  const values = new Map(Object.entries(value).map(([key, part]) => [key.toLowerCase(), part as unknown]));
  return { values, findings: [...keysInTwoCases(document), ...nestedKeys(value)] };
}

/** Sensu's yaml.v2 takes `yes` and `on` for booleans as YAML 1.1 does, but knows no numbers to base 60. */
function parseAsSensu(text: string): Document {
  return parseDocument(text, {
    version: '1.1',
    merge: true,
    uniqueKeys: true,
    customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || tag.format !== 'TIME'),
  });
}

/** Go gives the keys of a map in random order, and the last one is the one that counts. */
function keysInTwoCases({ contents }: Document): ConfigFinding[] {
  if (!isMap(contents)) return [];
  const keys = contents.items.map(({ key }) => (isScalar(key) ? String(key.value) : ''));
  const names = keys.map((key) => key.toLowerCase());
  return (Object.keys(definitions) as SettingName[])
    .filter((name) => names.indexOf(name) !== names.lastIndexOf(name))
    .map((name) => ({
      severity: 'refusal',
      code: 'KEY_IN_TWO_CASES',
      sentence: `backend.yml holds ${keys.filter((key) => key.toLowerCase() === name).join(' and ')}: Sensu takes any one of them.`,
      remedy: 'Leave one of them.',
    }));
}

/** Names and words of the operator's own. */
const freeForm = new Set(['labels', 'annotations']);

/** Sensu looks for a setting at the top alone, and takes its default when it finds none there. */
function nestedKeys(top: object): ConfigFinding[] {
  return Object.entries(top).flatMap(([key, below]) => {
    const names = freeForm.has(key.toLowerCase()) ? [] : settingsWithin(below);
    if (names.length === 0) return [];
    return [
      {
        severity: 'warning' as const,
        code: 'KEYS_NESTED',
        sentence: `backend.yml holds ${formatSome(names.slice(0, 3), names.length)} below the key ${JSON.stringify(key)}, where Sensu does not look.`,
        remedy: 'Move them to the top of the file, without indentation; until then their defaults count.',
      },
    ];
  });
}

function settingsWithin(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) => [
    ...(Object.hasOwn(definitions, key.toLowerCase()) || /^etcd-/i.test(key) ? [key] : []),
    ...settingsWithin(below),
  ]);
}

function unusable(path: string, fault: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'BACKEND_CONFIG_UNUSABLE',
    message: `${path} ${fault}.`,
    hint: 'Give the backend.yml that the backend is started with. Nothing was changed.',
  });
}

class SettingReader {
  readonly #file: ReadonlyMap<string, unknown>;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #flags: Flags;

  constructor(
    file: ReadonlyMap<string, unknown>,
    environment: Readonly<Record<string, string>>,
    flags: Flags,
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

  /** The last flag wins, but those of a list gather. An empty variable does not override the file. */
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
      if (origin === 'flag') return textOf(raw) === '' ? [] : textOf(raw).split(',');
      return words(raw);
    case 'words':
      return words(raw);
  }
}

const goTrue = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const goBoolean = new Set([...goTrue, '0', 'f', 'F', 'false', 'FALSE', 'False', '']);

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
  const noBoolean = typeof raw === 'object' || (typeof raw === 'string' && !goBoolean.has(raw));
  if (kind === 'boolean' && noBoolean) {
    return [
      {
        severity: 'warning',
        code: 'NOT_A_BOOLEAN',
        sentence: `${name} in ${place} is ${JSON.stringify(raw)}, which Sensu reads as false.`,
        remedy: 'Write true or false.',
      },
    ];
  }
  if (kind === 'words' || kind === 'list') {
    const parts = convert(raw, kind, origin) as readonly string[];
    if (parts.some((part) => part.includes(','))) return [severalInOne(name, place, 'commas')];
    if (parts.some((part) => /\s/.test(part))) return [severalInOne(name, place, 'blanks')];
  }
  return [];
}

function severalInOne(name: string, place: string, separator: 'commas' | 'blanks'): ConfigFinding {
  return {
    severity: 'refusal',
    code: separator === 'commas' ? 'COMMA_SEPARATED_URLS' : 'BLANK_SEPARATED_URLS',
    sentence: `${name} in ${place} is separated by ${separator}: Sensu reads it as one URL, which leads nowhere.`,
    remedy: 'Write a YAML list in backend.yml.',
  };
}
