import {
  compareNames,
  isApiObject,
  setOwn,
  type ApiObject,
  type ApiResource,
  type ApiValue,
  type DraftObject,
} from './api-value.js';
import { resourceKinds } from './kinds.js';
import { messageNamed, type Field, type Message } from './messages.js';

/**
 * A resource that was read as JSON or YAML in the form that stored values are decoded to: fields in the order of
 * their names, numbers of 64 bits as bigint. Fields and types that are not known, and values of another type than
 * their field's, stay as they are.
 */
export function canonicalResource<Resource extends ApiResource>(resource: Resource): Resource {
  const { type, apiVersion, metadata, spec } = resource;
  const kind = resourceKinds.find((one) => one.type === type && one.apiVersion === apiVersion);
  if (kind === undefined) return resource;
  return {
    ...resource,
    metadata: canonicalObject(messageNamed('ObjectMeta'), metadata),
    spec: canonicalObject(messageNamed(kind.message), spec),
  };
}

function canonicalObject(message: Message, object: ApiObject): ApiObject {
  // Its only field is named by its type.
  if (message.name === 'HookList') return object;
  const inlined = message.fields.find(({ shown }) => shown === 'inlined');
  const inner = inlined && messageNamed(inlined.message!).byName;
  const ordered: DraftObject = {};
  for (const name of Object.keys(object).sort(compareNames)) {
    const field = message.byName.get(name) ?? inner?.get(name);
    const value = object[name]!;
    setOwn(ordered, name, field === undefined ? value : canonicalField(field, value));
  }
  return ordered;
}

function canonicalField(field: Field, value: ApiValue): ApiValue {
  if (!field.repeated) return canonicalValue(field, value);
  if (!Array.isArray(value)) return value;
  return (value as readonly ApiValue[]).map((item) => canonicalValue(field, item));
}

function canonicalValue({ kind, message }: Field, value: ApiValue): ApiValue {
  switch (kind) {
    case 'int64':
      return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
    case 'double':
      return typeof value === 'bigint' ? Number(value) : value;
    case 'message':
      return isApiObject(value) ? canonicalObject(messageNamed(message!), value) : value;
    case 'map':
      return isApiObject(value) ? inOrder(value) : value;
    case 'string':
    case 'bytes':
    case 'uuid':
    case 'bool':
    case 'int32':
    case 'uint32':
      return value;
  }
}

function inOrder(map: ApiObject): ApiObject {
  const ordered: DraftObject = {};
  for (const name of Object.keys(map).sort(compareNames)) setOwn(ordered, name, map[name]!);
  return ordered;
}
