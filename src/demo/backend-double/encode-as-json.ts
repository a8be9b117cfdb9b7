import { formatJson } from '../../sensu/api/json.js';
import {
  objectAt,
  textAt,
  without,
  type ApiObject,
  type ApiResource,
} from '../../sensu/resources/api-value.js';
import { entityConfigs, entityStates, resourceKinds } from '../../sensu/resources/kinds.js';

/** What lies under a key of the store. */
export interface Stored {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The values that a resource is kept as; an entity is two. */
export type ResourceEncoder = (resource: ApiResource) => readonly Stored[];

/** Sensu reads JSON where it writes protobuf, as that is what its first releases wrote. */
export const encodeAsJson: ResourceEncoder = (resource) => {
  const { type, metadata, spec } = resource;
  if (type === 'Entity') return encodeEntity(resource);
  const value = nameless.has(type) ? spec : { ...spec, metadata };
  return [{ key: keyOf(resource), value: Buffer.from(formatJson(value)) }];
};

const nameless: ReadonlySet<string> = new Set(['User', 'Namespace', 'TessenConfig']);
const ofTheState = ['system', 'last_seen', 'sensu_agent_version'];

function encodeEntity({ metadata, spec }: ApiResource): Stored[] {
  const name = `${textAt(metadata, 'namespace')}/${textAt(metadata, 'name')}`;
  const state = Object.fromEntries(Object.entries(spec).filter(([field]) => ofTheState.includes(field)));
  const half = (group: string, fields: ApiObject): Stored => ({
    key: Buffer.from(group + name),
    value: Buffer.from(formatJson({ ...fields, metadata })),
  });
  return [half(entityConfigs, without(spec, ofTheState)), half(entityStates, state)];
}

/** The key under which Sensu keeps a resource. */
export function keyOf({ type, metadata, spec }: ApiResource): Buffer {
  const name =
    type === 'Event'
      ? ['entity', 'check']
          .map((part) => textAt(objectAt(objectAt(spec, part), 'metadata'), 'name'))
          .join('/')
      : textAt(metadata, 'name');
  return keyNamed(type, name, textAt(metadata, 'namespace'));
}

export function keyNamed(type: string, name: string, namespace = ''): Buffer {
  const { group, namespaced } = kindNamed(type);
  if (type === 'TessenConfig') return Buffer.from(group);
  return Buffer.from(group + (namespaced ? `${namespace}/` : '') + name);
}

export function kindNamed(type: string): (typeof resourceKinds)[number] {
  const kind = resourceKinds.find((candidate) => candidate.type === type);
  if (kind === undefined) throw new Error(`The double has no resources of the type ${type}.`);
  return kind;
}
