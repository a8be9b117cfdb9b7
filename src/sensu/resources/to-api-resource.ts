import type { KeyClass } from '../keys/key-space.js';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import { isJson } from '../keys/values.js';
import {
  compareNames,
  isApiObject,
  objectAt,
  textAt,
  without,
  type ApiObject,
  type ApiResource,
  type DraftObject,
} from './api-value.js';
import { FieldReader, type Slots, type UnknownField } from './fields.js';
import { JsonFieldReader, parseJsonObject } from './json-fields.js';
import { enterpriseRoot, entityConfigs, entityStates, kindOfGroup } from './kinds.js';
import { messageNamed, type MessageName } from './messages.js';
import { JsonShaper, type HiddenField } from './to-json.js';
import { readerOf, unwrap, type Unwrapped } from './wrapper.js';

/** A resource with all that is stored of it, secrets included: see `asApiShows`. */
export interface StoredResource {
  readonly resource: ApiResource;
  /** Fields of a newer Sensu, which are not in the resource. */
  readonly unknown: readonly UnknownField[];
  /** Fields that are not in the resource because Sensu's API never shows them. */
  readonly hidden: readonly HiddenField[];
}

/**
 * Decodes what lies under one key. An entity's halves come as the resources EntityConfig and EntityState, which
 * `joinEntity` puts together. Undefined for a key that holds no resource, such as the cluster id or a lease's.
 * @throws MalformedValueError which says nothing of what is in the value
 */
export function toApiResource(key: KeyClass, value: Buffer): StoredResource | undefined {
  if (key.group === entityConfigs) return wrapped(value, 'EntityConfig');
  if (key.group === entityStates) return wrapped(value, 'EntityState');
  if (key.group === '/sensu.io/resource_templates/') return opaque(value);
  if (key.group.startsWith(enterpriseRoot)) return opaque(value);
  const message = messageOfGroup(key.group);
  if (message === undefined) return undefined;
  return isJson(value) ? fromJson(parseJsonObject(value), message) : fromProtobuf(value, message);
}

const furtherMessages: Readonly<Record<string, MessageName>> = {
  // What Sensu 5 kept, and `sensu-backend upgrade` has made into others.
  '/sensu.io/entities/': 'Entity',
  '/sensu.io/extensions/': 'Extension',
  '/sensu.io/keepalives/': 'KeepaliveRecord',
};

/** The message that values of a group are; undefined for wrapped ones, and for what is no message. */
export function messageOfGroup(group: string): MessageName | undefined {
  return group === entityConfigs ? undefined : (kindOfGroup(group)?.message ?? furtherMessages[group]);
}

function wrapped(value: Buffer, message: MessageName): StoredResource {
  if (isJson(value)) return fromJson(parseJsonObject(value), message);
  const { encoding, bytes } = unwrap(value);
  return encoding === 'json' ? fromJson(parseJsonObject(bytes), message) : fromProtobuf(bytes, message);
}

/** A resource whose fields nobody but its own Sensu knows: as it is stored. */
function opaque(value: Buffer): StoredResource {
  const { type, apiVersion, encoding, bytes } = isJson(value) ? wrappedInJson(value) : unwrap(value);
  if (encoding === 'protobuf')
    throw new MalformedValueError(`The value is of the type ${type}, which is not known.`);
  const object = parseJsonObject(bytes);
  return { resource: { ...partsOf(object), type, apiVersion }, unknown: [], hidden: [] };
}

/** `{ "type", "api_version", "metadata", "spec" }` */
function wrappedInJson(value: Buffer): Unwrapped {
  const object = parseJsonObject(value);
  const [type, apiVersion] = [textAt(object, 'type'), textAt(object, 'api_version')];
  if (type === '') throw new MalformedValueError('The value names no type.');
  return { type, apiVersion, encoding: 'json', bytes: value };
}

/** Of a wrapper its own parts; of a resource itself its metadata and all the rest. */
function partsOf(object: ApiObject): Pick<ApiResource, 'metadata' | 'spec'> {
  if (isApiObject(object['spec'])) return { metadata: objectAt(object, 'metadata'), spec: object['spec'] };
  return { metadata: objectAt(object, 'metadata'), spec: without(object, ['metadata']) };
}

function fromProtobuf(value: Buffer, name: MessageName): StoredResource {
  const reader = new FieldReader();
  return shaped(name, reader.read(readerOf(value), messageNamed(name), []), reader.unknown);
}

/** In JSON a resource stands by itself, its metadata among its fields, or in a wrapper. */
function fromJson(object: ApiObject, name: MessageName): StoredResource {
  const plain = isApiObject(object['spec'])
    ? { ...object['spec'], metadata: objectAt(object, 'metadata') }
    : object;
  const reader = new JsonFieldReader();
  return shaped(name, reader.read(plain, messageNamed(name), []), reader.unknown);
}

function shaped(name: MessageName, slots: Slots, unknown: readonly UnknownField[]): StoredResource {
  const shaper = new JsonShaper();
  const message = messageNamed(name);
  const own = message.byName.get('metadata');
  const spec = shaper.shape(message, slots, own);
  const metadata = metadataOf(name, own && shaper.field(own, slots), spec);
  const apiVersion = name === 'EntityConfig' || name === 'EntityState' ? 'core/v3' : 'core/v2';
  return { resource: { type: name, apiVersion, metadata, spec }, unknown, hidden: shaper.hidden };
}

/** Some resources have none of their own: sensuctl makes it up. */
function metadataOf(name: MessageName, own: DraftObject[string] | undefined, spec: ApiObject): ApiObject {
  if (name === 'User') return { name: textAt(spec, 'username') };
  if (name === 'Namespace') return { name: textAt(spec, 'name') };
  return isApiObject(own) ? own : {};
}

const emptyState = fromProtobuf(Buffer.alloc(0), 'EntityState');

const entityFields = [...messageNamed('EntityConfig').fields, ...messageNamed('EntityState').fields]
  .map(({ name }) => name)
  .filter((name) => name !== 'metadata')
  .sort(compareNames);

/**
 * The entity that Sensu makes of both halves. A configuration without a state is an entity that has never been
 * seen.
 */
export function joinEntity(config: StoredResource, state: StoredResource = emptyState): StoredResource {
  const spec: DraftObject = {};
  for (const name of entityFields) {
    const half = name in config.resource.spec ? config : state;
    const value = half.resource.spec[name];
    if (value !== undefined) spec[name] = value;
  }
  return {
    resource: { type: 'Entity', apiVersion: 'core/v2', metadata: config.resource.metadata, spec },
    unknown: [...config.unknown, ...state.unknown],
    hidden: [...config.hidden, ...state.hidden],
  };
}
