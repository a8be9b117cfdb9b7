import { ProtoWriter } from '../../protobuf/proto-writer.js';
import { snappyLiteral } from '../../protobuf/snappy.js';
import { objectAt, textAt, without, type ApiObject, type ApiResource } from './api-value.js';
import { encodeMessage } from './encode.js';
import { FieldError } from './field-error.js';
import { entityConfigs, entityStates, resourceKinds } from './kinds.js';
import { messageNamed, type MessageName } from './messages.js';

/** A resource as it lies in the store. */
export interface StoredPair {
  readonly key: Buffer;
  readonly value: Buffer;
}

/**
 * What Sensu stores for a resource: an entity under two keys, everything else under one. What the API never shows
 * of a resource cannot be in it. Undefined for a type whose form is not known.
 * @throws FieldError which names the field, and never its value
 */
export function encodeResource(resource: ApiResource): readonly StoredPair[] | undefined {
  const { type, apiVersion, metadata, spec } = resource;
  if (apiVersion === 'core/v3') return encodeHalf(resource);
  const kind = resourceKinds.find((one) => one.type === type && one.apiVersion === apiVersion);
  if (kind === undefined) return undefined;
  if (type === 'Entity') return encodeEntity(resource);
  const key = keyOf(kind.group, resource, kind.namespaced);
  const fields = type === 'User' ? userFields(spec) : spec;
  return [{ key, value: encodeFields(kind.message, metadata, fields) }];
}

/** Errors are about `metadata.…` and `spec.…`, as a dump has them. */
function encodeFields(name: MessageName, metadata: ApiObject, spec: ApiObject): Buffer {
  const message = messageNamed(name);
  if (!message.byName.has('metadata')) return inSpec(() => encodeMessage(message, spec, ''));
  return inSpec(() => encodeMessage(message, { ...spec, metadata }, ''));
}

function inSpec(encode: () => Buffer): Buffer {
  try {
    return encode();
  } catch (error) {
    if (!(error instanceof FieldError) || error.path.startsWith('metadata')) throw error;
    throw new FieldError(`spec.${error.path}`, error.message.slice(error.path.length + 1), error.reason);
  }
}

const entityHalves = {
  EntityConfig: entityConfigs,
  EntityState: entityStates,
} as const;

function encodeHalf(resource: ApiResource): readonly StoredPair[] | undefined {
  const { type, metadata, spec } = resource;
  if (type !== 'EntityConfig' && type !== 'EntityState') return undefined;
  const key = keyOf(entityHalves[type], resource, true);
  return [{ key, value: wrap(type, encodeFields(type, metadata, spec)) }];
}

function encodeEntity({ metadata, spec }: ApiResource): readonly StoredPair[] {
  const stateFields = messageNamed('EntityState').byName;
  const isState = (name: string): boolean => stateFields.has(name);
  const parts = Object.entries(spec);
  const half = (type: 'EntityConfig' | 'EntityState', state: boolean): readonly StoredPair[] =>
    encodeHalf({
      type,
      apiVersion: 'core/v3',
      metadata,
      spec: Object.fromEntries(parts.filter(([name]) => isState(name) === state)),
    })!;
  return [...half('EntityConfig', false), ...half('EntityState', true)];
}

const encodingProtobuf = 1;
const compressionSnappy = 1;

/** `wrap.Wrapper`, which Sensu puts around the types of core/v3. */
function wrap(type: string, value: Buffer): Buffer {
  const typeMeta = new ProtoWriter().bytes(1, Buffer.from(type)).bytes(2, Buffer.from('core/v3')).finish();
  return new ProtoWriter()
    .message(1, typeMeta)
    .number(2, encodingProtobuf)
    .number(3, compressionSnappy)
    .bytes(4, snappyLiteral(value))
    .finish();
}

/**
 * Sensu keeps the hash in both fields, and reads whichever its release knows. A password in clear has no place in
 * a store.
 */
function userFields(spec: ApiObject): ApiObject {
  const hash = textAt(spec, 'password_hash');
  const password = textAt(spec, 'password') || hash;
  for (const [name, value] of Object.entries({ password, password_hash: hash })) {
    if (value !== '' && !/^\$2[aby]\$/.test(value)) throw new FieldError(name, 'is not a hash of bcrypt');
  }
  return { ...without(spec, ['password', 'password_hash']), password, password_hash: hash };
}

function keyOf(group: string, resource: ApiResource, namespaced: boolean): Buffer {
  const { type, metadata, spec } = resource;
  if (type === 'TessenConfig') return Buffer.from(group);
  // Some releases leave it out in the event itself.
  const from =
    type === 'Event' && metadata['namespace'] === undefined ? metadataAt(spec, 'entity') : metadata;
  const namespace = namespaced ? [segment(textAt(from, 'namespace'), 'metadata.namespace')] : [];
  return Buffer.from(group + [...namespace, ...namesOf(type, metadata, spec)].join('/'));
}

function namesOf(type: string, metadata: ApiObject, spec: ApiObject): string[] {
  if (type === 'User') return [segment(textAt(spec, 'username'), 'spec.username')];
  if (type === 'Namespace') return [segment(textAt(spec, 'name'), 'spec.name')];
  if (type !== 'Event') return [segment(textAt(metadata, 'name'), 'metadata.name')];
  return ['entity', 'check'].map((part) =>
    segment(textAt(metadataAt(spec, part), 'name'), `spec.${part}.metadata.name`),
  );
}

function metadataAt(spec: ApiObject, part: string): ApiObject {
  return objectAt(objectAt(spec, part), 'metadata');
}

/** A name with a slash would lie under the key of another. */
function segment(name: string, path: string): string {
  if (name === '') throw new FieldError(path, 'is missing');
  if (/[/\0]/.test(name)) throw new FieldError(path, 'holds a slash, which a key cannot', 'name');
  return name;
}
