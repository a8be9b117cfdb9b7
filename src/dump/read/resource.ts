import { routeOf } from '../../sensu/api/routes.js';
import { apiKeyHint } from '../../sensu/keys/values.js';
import {
  isApiObject,
  type ApiObject,
  type ApiResource,
  type ApiValue,
} from '../../sensu/resources/api-value.js';
import { kindOf } from '../../sensu/resources/field-error.js';
import { field } from './value.js';
import { dumpError, type Place } from './place.js';

/** A resource as a dump tells it. */
export interface DumpResource extends ApiResource {
  /** Undefined where the dump names none. */
  readonly namespace: string | undefined;
  /** Empty for a type that there is only one of. */
  readonly name: string;
  /** Whether it is a type that this program knows. Others are kept as they are. */
  readonly isKnown: boolean;
  readonly place: Place;
}

const wrapperKeys = new Set(['type', 'api_version', 'metadata', 'spec']);

/**
 * What a document, or an item of one, says. Takes what sensuctl takes: an api_version left out is `core/v2`, types
 * may be written as `check_config`, and metadata may stand in the spec.
 * @throws FerryError DUMP_UNUSABLE (`source`)
 */
export function readResource(document: ApiValue, place: Place): DumpResource {
  if (!isApiObject(document)) throw unusable(place, `it is ${kindOf(document)}, not a resource`);
  const stranger = Object.keys(document).find((key) => !wrapperKeys.has(key));
  if (stranger !== undefined) {
    throw unusable(place, `a resource has type, api_version, metadata and spec, but no ${showKey(stranger)}`);
  }
  const type = canonicalType(textOf(document, 'type', place));
  const apiVersion = textOf(document, 'api_version', place) || 'core/v2';
  if (type === '') throw unusable(place, 'the resource has no type');
  const given = mapOf(document, 'spec', place);
  if (given === undefined) throw unusable(place, `the ${type} has no spec: the dump may be cut short`);
  const { metadata: inner, ...spec } = given;
  const metadata = { ...(isApiObject(inner) ? inner : {}), ...mapOf(document, 'metadata', place) };
  const isKnown = routeOf(type, apiVersion) !== undefined;
  const named = { type, apiVersion, isKnown, metadata, spec, place };
  return { ...named, namespace: textOf(metadata, 'namespace', place) || undefined, name: nameOf(named) };
}

/** `check_config` as `CheckConfig`. */
function canonicalType(type: string): string {
  if (!/^[a-z]+(_[a-z]+)*$/.test(type)) return type;
  if (type === 'api_key') return 'APIKey';
  return type.replace(/(?:^|_)([a-z])/g, (_all, letter: string) => letter.toUpperCase());
}

type Named = Omit<DumpResource, 'name' | 'namespace'>;

function nameOf(resource: Named): string {
  const { type, metadata, spec, place, isKnown } = resource;
  const name = textOf(metadata, 'name', place);
  if (type === 'Event') return eventName(resource);
  if (name !== '' || isSingle(resource)) return name;
  if (type === 'Namespace' || type === 'User') {
    const own = textOf(spec, type === 'User' ? 'username' : 'name', place);
    if (own !== '') return own;
  }
  if (type === 'Silenced') {
    const parts = [textOf(spec, 'subscription', place), textOf(spec, 'check', place)];
    if (parts.some((part) => part !== '')) return parts.map((part) => part || '*').join(':');
  }
  // What names a resource of a type that is not known cannot be known either.
  if (!isKnown) return '';
  throw unusable(place, `the ${type} has no name in its metadata`);
}

/** A type that there is only one of. */
export function isSingle({ type, apiVersion }: Pick<ApiResource, 'type' | 'apiVersion'>): boolean {
  return routeOf(type, apiVersion)?.scope === 'single';
}

/** An event is named by its entity and check, and by its entity alone when it holds metrics only. */
function eventName({ spec, place }: Named): string {
  const [entity, check] = (['entity', 'check'] as const).map((part) => {
    const metadata = mapOf(mapOf(spec, part, place) ?? {}, 'metadata', place) ?? {};
    return textOf(metadata, 'name', place);
  });
  if (!entity) throw unusable(place, 'the Event does not name its entity');
  return check ? `${entity}/${check}` : entity;
}

/** Empty when it is not there. */
function textOf(object: ApiObject, key: string, place: Place): string {
  const value = field(object, key) ?? '';
  if (typeof value === 'string') return value;
  throw unusable(place, `${key} is ${kindOf(value)}: put it in quotes`);
}

function mapOf(object: ApiObject, key: string, place: Place): ApiObject | undefined {
  const value = field(object, key) ?? undefined;
  if (value === undefined || isApiObject(value)) return value;
  throw unusable(place, `${key} is ${kindOf(value)}, not a map`);
}

function showKey(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key);
}

function unusable(place: Place, fault: string) {
  return dumpError(place, {
    code: 'DUMP_UNUSABLE',
    fault,
    hint: 'A dump is made of resources as sensuctl dump and sensu-ferry dump write them.',
  });
}

export type Identity = Pick<DumpResource, 'type' | 'apiVersion' | 'namespace' | 'name'>;

/** Such as `CheckConfig default/disk`, for words and as an identity. An API key's name is itself a secret. */
export function showResource({ type, apiVersion, namespace, name }: Identity): string {
  const kind = apiVersion === 'core/v2' ? type : `${apiVersion} ${type}`;
  const shownName = type === 'APIKey' ? apiKeyHint(name) : name;
  const path = [namespace, shownName].filter((part) => part !== undefined && part !== '').join('/');
  return path === '' ? kind : `${kind} ${path}`;
}
