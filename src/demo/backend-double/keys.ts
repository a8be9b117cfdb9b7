import { resourceKinds, type ResourceKind } from '../../sensu/resources/kinds.js';

/** The key under which Sensu keeps a resource; of an entity, its configuration. An event is named `entity/check`. */
export function keyNamed(type: string, name: string, namespace = ''): Buffer {
  const { group, namespaced } = kindNamed(type);
  if (type === 'TessenConfig') return Buffer.from(group);
  return Buffer.from(group + (namespaced ? `${namespace}/` : '') + name);
}

export function kindNamed(type: string): ResourceKind {
  const kind = resourceKinds.find((candidate) => candidate.type === type);
  if (kind === undefined) throw new Error(`The double has no resources of the type ${type}.`);
  return kind;
}
