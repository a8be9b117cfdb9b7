import { readFileSync } from 'node:fs';
import { parse } from 'lossless-json';
import { parseAllDocuments } from 'yaml';
import { openSnapshot } from '../../../src/etcd-files/mvcc/store-file.js';
import { classifyKey, type KeyClass } from '../../../src/sensu/keys/key-space.js';
import type { ApiResource, ApiValue } from '../../../src/sensu/resources/api-value.js';
import { entityConfigs, entityStates, kindOfGroup } from '../../../src/sensu/resources/kinds.js';
import {
  joinEntity,
  toApiResource,
  type StoredResource,
} from '../../../src/sensu/resources/to-api-resource.js';

export const stores = ['kitchen-sink-6.12.0', 'single-6.7.5', 'cluster3-6.12.0'] as const;

export function fixture(path: string): string {
  return new URL(`../../../fixtures/${path}`, import.meta.url).pathname;
}

export interface Recorded {
  readonly key: KeyClass;
  readonly value: Buffer;
}

export function valuesOf(store: string): Recorded[] {
  const file = openSnapshot(fixture(`${store}/snapshot.db`));
  try {
    return [...file.entries()]
      .flat()
      .map(({ key, value }) => ({ key: classifyKey(key), value: Buffer.from(value) }));
  } finally {
    file.close();
  }
}

/** Every resource of a recorded store that sensuctl has a name for, entities joined. */
export function storedResources(store: string): StoredResource[] {
  const values = valuesOf(store);
  const states = new Map(
    values
      .filter(({ key }) => key.group === entityStates)
      .map(({ key, value }) => [`${key.namespace}/${key.name}`, toApiResource(key, value)]),
  );
  return values.flatMap(({ key, value }) => {
    if (kindOfGroup(key.group) === undefined) return [];
    const stored = toApiResource(key, value)!;
    if (key.group !== entityConfigs) return [stored];
    return [joinEntity(stored, states.get(`${key.namespace}/${key.name}`))];
  });
}

/** As JSON has it: whether a number is a bigint here says nothing. */
export function plain(value: ApiValue): unknown {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return (value as readonly ApiValue[]).map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

export interface Document {
  readonly type: string;
  readonly api_version: string;
  readonly metadata: unknown;
  readonly spec: unknown;
}

export function documentOf({ type, apiVersion, metadata, spec }: ApiResource): Document {
  return { type, api_version: apiVersion, metadata: plain(metadata), spec: plain(spec) };
}

/** What sensuctl has written of the store. */
export function recordedYaml(path: string): Document[] {
  const documents = parseAllDocuments(readFileSync(fixture(path), 'utf8'), { intAsBigInt: true });
  if (!Array.isArray(documents)) throw new Error(`${path} is empty`);
  return documents.map((document) => document.toJS() as Document);
}

export function recordedJson(path: string): Document[] {
  const texts = readFileSync(fixture(path), 'utf8').split(/(?<=^\})\n(?=\{$)/m);
  const documents = texts.map((text) => parse(text) as ApiValue);
  return documents.map((document) => plain(unboxed(document)) as Document);
}

/** The parser leaves numbers as their text. */
function unboxed(value: ApiValue): ApiValue {
  if (Array.isArray(value)) return (value as readonly ApiValue[]).map(unboxed);
  if (typeof value !== 'object' || value === null) return value;
  if ('isLosslessNumber' in value) return Number((value as unknown as { value: string }).value);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, unboxed(inner)]));
}

export interface Change {
  readonly of: string;
  readonly path: string;
}

/** The places in which two lists of resources differ, each with the resource it is of. */
export function changesBetween(left: readonly Document[], right: readonly Document[]): Change[] {
  const a = new Map(left.map((document) => [nameOf(document), document]));
  const b = new Map(right.map((document) => [nameOf(document), document]));
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((of) =>
    differingPaths(a.get(of), b.get(of), '').map((path) => ({ of, path })),
  );
}

function nameOf({ type, metadata, spec }: Document): string {
  const { namespace = '', name = '' } = metadata as { namespace?: string; name?: string };
  const { entity, check } = spec as Record<string, { metadata: { name: string } } | undefined>;
  const eventName = type === 'Event' ? `${entity?.metadata.name}/${check?.metadata.name}` : name;
  return [type, namespace, eventName].filter((part) => part !== '').join(' ');
}

function differingPaths(a: unknown, b: unknown, path: string): string[] {
  if (Object.is(a, b)) return [];
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return [path];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((name) =>
    differingPaths(
      (a as Document)[name as 'spec'],
      (b as Document)[name as 'spec'],
      path === '' ? name : `${path}.${name}`,
    ),
  );
}
