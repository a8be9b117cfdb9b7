import { sensuRoot } from '../../store/sensu-root.js';

/**
 * What it would mean to lose a key. Configuration: someone wrote it, or the cluster's identity hangs on it.
 * State: Sensu learned it and goes on from it. Ephemeral: Sensu makes it again, and its lease takes it away.
 */
type KeyKind = 'configuration' | 'state' | 'ephemeral' | 'unknown';

export interface KeyClass {
  /** What keys are counted under, such as `/sensu.io/events/`, or `/sensu.io/cluster_id` for a single key. */
  readonly group: string;
  readonly kind: KeyKind;
  /** The Sensu namespace that the key belongs to; the namespace's own record belongs to it too. */
  readonly namespace?: string;
  /** What follows the group and the namespace, such as `<entity>/<check>` of an event. */
  readonly name?: string;
}

export const outsideRoot = '(outside /sensu.io/)';

/** Where a group's keys name their namespace. */
type Shape =
  /** `<name>` */
  | 'cluster'
  /** `<namespace>/<name>` */
  | 'namespaced'
  /** `<owner>/<namespace>/<name>` */
  | 'owned'
  /** `<namespace>`, the record of the namespace itself */
  | 'namespace'
  /** the key ends with the group */
  | 'single';

interface Group {
  readonly prefix: string;
  readonly kind: KeyKind;
  readonly shape: Shape;
}

const rootText = sensuRoot.start.toString();

function groups(shape: Shape, kind: KeyKind, names: readonly string[]): [string, Group][] {
  return names.map((name) => [
    name,
    { prefix: `${rootText}${name}${shape === 'single' ? '' : '/'}`, kind, shape },
  ]);
}

/** By the first segment below the root; `rbac` and `api` go on to further segments. */
const byFirstSegment = new Map<string, Group>([
  ...groups('namespace', 'configuration', ['namespaces']),
  ...groups('namespaced', 'configuration', [
    ...['assets', 'checks', 'event-filters', 'handlers', 'hooks', 'mutators', 'pipelines', 'silenced'],
    ...['entity_configs', 'entities', 'extensions'],
  ]),
  ...groups('namespaced', 'state', ['entity_states', 'events']),
  ...groups('cluster', 'configuration', ['users', 'apikeys', 'authentication', 'resource_templates']),
  ...groups('owned', 'state', ['keepalives']),
  ...groups('owned', 'ephemeral', ['switchsets']),
  ...groups('namespaced', 'ephemeral', ['rings']),
  ...groups('cluster', 'ephemeral', ['backends', 'queue', 'user_sessions']),
  ...groups('single', 'configuration', [
    ...['.initialized', 'cluster_id', 'tessen'],
    ...['sensu_database_version', 'sensu_enterprise_database_version'],
  ]),
]);

const byRbacSegment = new Map<string, Group>([
  ...groups('namespaced', 'configuration', ['rbac/roles', 'rbac/rolebindings']),
  ...groups('cluster', 'configuration', ['rbac/clusterroles', 'rbac/clusterrolebindings']),
]);

/** The ring of the backends themselves, in a namespace that is none. */
const backendRing = 'global/backends/';

/** Tells from the key alone what it holds. Called for each key of a store: 150,000 take some tens of milliseconds. */
export function classifyKey(key: Buffer): KeyClass {
  const text = key.toString('utf8');
  if (!text.startsWith(rootText)) return classifyOutside(text);
  const end = text.indexOf('/', rootText.length);
  const first = end === -1 ? text.slice(rootText.length) : text.slice(rootText.length, end);
  if (first === 'rbac') return classifyRbac(text);
  if (first === 'api') return classifyApi(text);
  const group = byFirstSegment.get(first);
  if (group === undefined || (group.shape === 'single') !== (end === -1)) return unknown(text, end);
  return classifyIn(group, text.slice(group.prefix.length));
}

/** As `restore etcd --namespace` sorts keys; undefined for a key of the whole cluster. */
export function namespaceOf(key: Buffer): string | undefined {
  return classifyKey(key).namespace;
}

function classifyIn({ prefix, kind, shape }: Group, rest: string): KeyClass {
  switch (shape) {
    case 'single':
      return { group: prefix, kind };
    case 'cluster':
      return { group: prefix, kind, name: rest };
    case 'namespace':
      return { group: prefix, kind, namespace: rest, name: rest };
    case 'namespaced':
      if (kind === 'ephemeral' && rest.startsWith(backendRing)) return { group: prefix, kind, name: rest };
      return { group: prefix, kind, ...namespaced(rest, 0) };
    case 'owned':
      return { group: prefix, kind, ...namespaced(rest, rest.indexOf('/') + 1) };
  }
}

function namespaced(rest: string, start: number): Pick<KeyClass, 'namespace' | 'name'> {
  const end = rest.indexOf('/', start);
  return end === -1 ? { name: rest } : { namespace: rest.slice(start, end), name: rest.slice(end + 1) };
}

function classifyRbac(text: string): KeyClass {
  const end = text.indexOf('/', rootText.length + 'rbac/'.length);
  const group = end === -1 ? undefined : byRbacSegment.get(text.slice(rootText.length, end));
  return group === undefined
    ? unknown(text, text.indexOf('/', rootText.length))
    : classifyIn(group, text.slice(group.prefix.length));
}

/** `/sensu.io/api/enterprise/<group>/<version>/[namespaces/<namespace>/]<kind>/<name>`: Sensu's commercial types. */
function classifyApi(text: string): KeyClass {
  const [, , , edition, group, version, ...rest] = text.split('/');
  if (edition !== 'enterprise' || group === undefined || version === undefined) {
    return unknown(text, text.indexOf('/', rootText.length));
  }
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2;
  return {
    group: `${rootText}api/enterprise/${group}/`,
    kind: 'configuration',
    ...(inNamespace && { namespace: rest[1]! }),
    name: [version, ...(inNamespace ? rest.slice(2) : rest)].join('/'),
  };
}

function classifyOutside(text: string): KeyClass {
  // `sensu-backend init` locks with it; a lease of 2 s takes it away.
  const kind = text.startsWith('.initialized.lock/') ? 'ephemeral' : 'unknown';
  return { group: outsideRoot, kind, name: text };
}

/** @param end Of the first segment; -1 for a key that is nothing else. */
function unknown(text: string, end: number): KeyClass {
  if (end === -1) return { group: text, kind: 'unknown' };
  return { group: text.slice(0, end + 1), kind: 'unknown', name: text.slice(end + 1) };
}
