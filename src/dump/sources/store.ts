import type { Context } from '../../core/context.js';
import { showKey } from '../../sensu/keys/key-name.js';
import { classifyKey } from '../../sensu/keys/key-space.js';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import {
  entityConfigs,
  enterpriseRoot,
  entityStates,
  resourceKinds,
  type ResourceKind,
} from '../../sensu/resources/kinds.js';
import { hasEnded, silenceAsShown } from '../../sensu/resources/silence.js';
import { joinEntity, toApiResource, type StoredResource } from '../../sensu/resources/to-api-resource.js';
import { mergeByKey } from '../../store/merge-by-key.js';
import { prefixRange, sensuRoot, singleKey } from '../../store/sensu-root.js';
import type { KeyRange, StoreEntry, StoreView } from '../../store/view.js';
import type { DumpItem } from '../item.js';
import { nameOf } from '../loss-report.js';
import { fullName, namespaceUnknown, type Selection } from '../selection.js';

/**
 * The resources of a store at one revision, type after type as they are selected, each by key. No more than a batch of
 * entries is in memory.
 * @param takenAt When the store was as it is; undefined where nobody knows. Silences that had ended by then are told
 *   and not given.
 * @throws FerryError NAMESPACE_UNKNOWN (`usage`)
 */
export async function* dumpStore(
  view: StoreView,
  selection: Selection,
  { signal }: Pick<Context, 'signal'>,
  takenAt?: Date,
): AsyncGenerator<DumpItem> {
  if (selection.namespace !== undefined) await requireNamespace(view, selection.namespace);
  for (const kind of selection.kinds) {
    signal.throwIfAborted();
    if (kind.group === entityConfigs) yield* entitiesOf(view, selection);
    else yield* resourcesOf(view, rangeOf(kind, selection.namespace), signal, takenAt);
  }
  const { commercial } = selection;
  if (commercial === 'all') yield* enterpriseOf(view, selection, signal, selection.hasEnterprise);
  else for (const name of commercial) yield* enterpriseOf(view, selection, signal, (other) => other === name);
  yield* leftOut(view);
}

async function requireNamespace(view: StoreView, name: string): Promise<void> {
  for await (const batch of view.entries(singleKey(Buffer.from(`/sensu.io/namespaces/${name}`)))) {
    if (batch.length > 0) return;
  }
  throw namespaceUnknown(name);
}

function rangeOf({ group, namespaced }: ResourceKind, namespace: string | undefined): KeyRange {
  if (!group.endsWith('/')) return singleKey(Buffer.from(group));
  return prefixRange(Buffer.from(namespaced && namespace !== undefined ? `${group}${namespace}/` : group));
}

async function* resourcesOf(
  view: StoreView,
  range: KeyRange,
  signal: AbortSignal,
  takenAt: Date | undefined,
): AsyncGenerator<DumpItem> {
  for await (const batch of view.entries(range)) {
    signal.throwIfAborted();
    for (const entry of batch) yield decoded(entry, takenAt);
  }
}

function decoded({ key, value, lease }: StoreEntry, takenAt: Date | undefined): DumpItem {
  const stored = decode(key, value);
  if ('is' in stored) return stored;
  if (takenAt !== undefined && hasEnded(stored.resource, takenAt)) {
    const { namespace, name } = nameOf(stored.resource);
    return { is: 'ended silence', namespace, name };
  }
  const resource = silenceAsShown(stored.resource, lease !== undefined);
  return { is: 'resource', commercial: false, isMasked: false, ...stored, resource };
}

type Unreadable = Extract<DumpItem, { is: 'unreadable' }>;

function decode(key: Buffer, value: Buffer): StoredResource | Unreadable {
  try {
    const stored = toApiResource(classifyKey(key), value);
    if (stored !== undefined) return stored;
    return { is: 'unreadable', key: showKey(key), why: 'The key has not the form that Sensu gives it.' };
  } catch (error) {
    if (!(error instanceof MalformedValueError)) throw error;
    return { is: 'unreadable', key: showKey(key), why: error.message };
  }
}

/** Walks both halves side by side: they have the same keys behind their prefixes. */
async function* entitiesOf(view: StoreView, { namespace }: Selection): AsyncGenerator<DumpItem> {
  const below = (group: string): AsyncIterable<readonly Half[]> =>
    halvesOf(
      view,
      group,
      prefixRange(Buffer.from(namespace === undefined ? group : `${group}${namespace}/`)),
    );
  for await (const pairs of mergeByKey(below(entityConfigs), below(entityStates))) {
    for (const { left, right } of pairs) yield joined(left, right);
  }
}

interface Half {
  /** Without the prefix. */
  readonly key: Buffer;
  readonly entry: StoreEntry;
}

async function* halvesOf(view: StoreView, group: string, range: KeyRange): AsyncGenerator<readonly Half[]> {
  for await (const batch of view.entries(range)) {
    yield batch.map((entry) => ({ key: entry.key.subarray(group.length), entry }));
  }
}

function joined(left: Half | undefined, right: Half | undefined): DumpItem {
  if (left === undefined) {
    const { namespace = '', name = '' } = classifyKey(right!.entry.key);
    return { is: 'half an entity', namespace, name };
  }
  const config = decode(left.entry.key, left.entry.value);
  if ('is' in config) return config;
  const state = right && decode(right.entry.key, right.entry.value);
  if (state !== undefined && 'is' in state) return state;
  return { is: 'resource', commercial: false, isMasked: false, ...joinEntity(config, state) };
}

async function* enterpriseOf(
  view: StoreView,
  selection: Selection,
  signal: AbortSignal,
  isWanted: Selection['hasEnterprise'],
): AsyncGenerator<DumpItem> {
  for await (const batch of view.entries(prefixRange(Buffer.from(enterpriseRoot)))) {
    signal.throwIfAborted();
    for (const { key, value } of batch) {
      const { namespace } = classifyKey(key);
      const isElsewhere = namespace !== undefined && (selection.namespace ?? namespace) !== namespace;
      if (isElsewhere) continue;
      const stored = decode(key, value);
      if ('is' in stored) yield stored;
      else if (isWanted(fullName(stored.resource)))
        yield { is: 'resource', commercial: true, isMasked: false, ...stored };
    }
  }
}

/** Groups that a dump knows of: it holds them, or is known never to. */
const knownGroups = [
  ...resourceKinds.map(({ group }) => group),
  ...[entityStates, enterpriseRoot],
  ...['keepalives/', 'switchsets/', 'rings/', 'queue/', 'backends/', 'user_sessions/', 'authentication/'].map(
    (name) => `/sensu.io/${name}`,
  ),
];

const knownKeys = [
  '.initialized',
  'cluster_id',
  'sensu_database_version',
  'sensu_enterprise_database_version',
].map((name) => `/sensu.io/${name}`);

/** Counts what lies between the groups that are known: few keys, if any, whatever the size of the store. */
async function* leftOut(view: StoreView): AsyncGenerator<DumpItem> {
  const counts = new Map<string, number>();
  for (const range of gaps()) {
    for await (const batch of view.entries(range)) {
      for (const { key } of batch) {
        const { group } = classifyKey(key);
        if (!knownKeys.includes(group)) counts.set(group, (counts.get(group) ?? 0) + 1);
      }
    }
  }
  for (const [group, keys] of counts) yield { is: 'left out', group, keys };
}

function* gaps(): Generator<KeyRange> {
  const ranges = knownGroups.map((group) =>
    group.endsWith('/')
      ? (prefixRange(Buffer.from(group)) as Required<KeyRange>)
      : singleKey(Buffer.from(group)),
  );
  ranges.sort((a, b) => a.start.compare(b.start));
  let { start } = sensuRoot;
  for (const range of ranges) {
    if (start.compare(range.start) < 0) yield { start, end: range.start };
    start = range.end;
  }
  yield { start, end: sensuRoot.end };
}
