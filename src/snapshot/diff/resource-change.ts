import { apiKeyHint } from '../../sensu/keys/values.js';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import { showKey } from '../../sensu/keys/key-name.js';
import type { ApiObject, ApiValue } from '../../sensu/resources/api-value.js';
import { kindOfGroup } from '../../sensu/resources/kinds.js';
import { maskValue } from '../../sensu/resources/mask.js';
import { redactNames } from '../../sensu/resources/secrets.js';
import { toApiResource, type StoredResource } from '../../sensu/resources/to-api-resource.js';
import type { KeyChange } from './compare.js';
import { changedFields, type FieldChange } from './fields.js';

/** What became of a resource, as it may be shown: nothing in it is a secret. */
export interface ResourceChange {
  readonly change: KeyChange['change'];
  readonly ephemeral: boolean;
  /** Such as `CheckConfig`; undefined for a key that is no resource, such as the cluster id. */
  readonly kind: string | undefined;
  readonly namespace: string | undefined;
  /** Of a resource without one, and of a key that is none, undefined. */
  readonly name: string | undefined;
  readonly key: string;
  /** Of a changed resource. Empty when it is stored in another form that says the same. */
  readonly fields: readonly FieldChange[];
  /** A value that cannot be decoded: that it differs is all that can be told. */
  readonly unreadable: boolean;
}

/** Decodes both sides of a key, and tells what differs. */
export function describeKeyChange(change: KeyChange): ResourceChange {
  const { group, namespace, name } = change.class;
  const left = decode(change, change.left);
  const right = decode(change, change.right);
  const stored = right ?? left;
  const apiKey = group === '/sensu.io/apikeys/' && name !== undefined;
  return {
    change: change.change,
    ephemeral: change.ephemeral,
    kind: typeof stored === 'object' ? shownKind(stored) : kindOfGroup(group)?.type,
    namespace,
    name: apiKey ? apiKeyHint(name) : stored === undefined ? undefined : name,
    key: showKey(change.key),
    fields: typeof left === 'object' && typeof right === 'object' ? fieldsBetween(left, right) : [],
    unreadable: left === 'unreadable' || right === 'unreadable',
  };
}

/** The configuration of an entity is what people mean by it; what its agent reports is told apart. */
function shownKind({ resource: { type } }: StoredResource): string {
  return type === 'EntityConfig' ? 'Entity' : type;
}

function decode(
  { class: key }: KeyChange,
  value: Buffer | undefined,
): StoredResource | 'unreadable' | undefined {
  if (value === undefined) return undefined;
  try {
    return toApiResource(key, value);
  } catch (error) {
    if (error instanceof MalformedValueError) return 'unreadable';
    throw error;
  }
}

function fieldsBetween(left: StoredResource, right: StoredResource): FieldChange[] {
  const secrets = new Set([...secretNames(left), ...secretNames(right)]);
  const mask = (path: string, value: ApiValue | undefined): ApiValue | undefined =>
    value === undefined ? undefined : maskValue(path, value, secrets);
  return changedFields(allOf(left), allOf(right), '').map(({ path, before, after }) => ({
    path,
    before: mask(path, before),
    after: mask(path, after),
  }));
}

/** What an entity lists as secret, also within an event. */
function secretNames({ resource: { spec } }: StoredResource): string[] {
  return [...redactNames(spec), ...redactNames((spec['entity'] ?? {}) as ApiObject)];
}

/** Fields that a dump has not are told too: they may be all that differs. */
function allOf({ resource, unknown, hidden }: StoredResource): ApiObject {
  const aside = [...hidden, ...unknown].map(({ path, value }): [string, ApiValue] => [path, value]);
  return {
    type: resource.type,
    api_version: resource.apiVersion,
    metadata: resource.metadata,
    spec: resource.spec,
    stored: Object.fromEntries(aside),
  };
}
