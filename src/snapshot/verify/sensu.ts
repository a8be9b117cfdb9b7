import type { Context } from '../../core/context.js';
import { formatCount, formatCounted, formatId } from '../../core/units.js';
import { classifyKey, outsideRoot, type KeyClass } from '../../sensu/keys/key-space.js';
import { showKey } from '../../sensu/keys/key-name.js';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import { checkValue } from '../../sensu/keys/value-check.js';
import { ttlByLease } from '../../store/digest.js';
import { prefixRange } from '../../store/sensu-root.js';
import type { LeaseId, StoreEntry, StoreView } from '../../store/view.js';
import { readContents, type StoreContents } from '../../at-rest/contents.js';
import type { LayerRecord, Layers } from './layers.js';

/** Sensu 6.x writes 2 from its first release to its last; 1 is a store that was not quite upgraded from 5.x. */
const knownDatabaseVersions = ['1', '2'];

/**
 * Sensu deletes no namespace that has any of these (namespace_store.go: DeleteNamespace). Everything else, such as
 * roles, pipelines and events, it leaves behind, so that it lies in many a sound store.
 */
const goBeforeTheirNamespace = new Set(
  ['checks', 'entity_configs', 'assets', 'handlers', 'mutators', 'event-filters', 'hooks', 'silenced'].map(
    (name) => `/sensu.io/${name}/`,
  ),
);

const namespacePrefix = Buffer.from('/sensu.io/namespaces/');

/** Reads every live key once: its lease, its value, its namespace. What is in it is counted on the way. */
export async function verifySensu(
  context: Context,
  view: StoreView,
  { mvcc, sensu }: Pick<Layers, 'mvcc' | 'sensu'>,
): Promise<StoreContents> {
  const leases = await ttlByLease(view);
  const checker = new EntryChecker(leases, await namespacesOf(view), mvcc, sensu);
  const total = mvcc.counts['liveKeys'];
  const report = (done: number): void => {
    context.report.progress({ task: 'Verifying', unit: 'keys', done, ...(total !== undefined && { total }) });
  };
  const contents = await readContents(watched(view, checker, report), context);
  checker.finish(contents);
  return contents;
}

async function namespacesOf(view: StoreView): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for await (const batch of view.entries(prefixRange(namespacePrefix))) {
    for (const { key } of batch) names.add(key.toString('utf8', namespacePrefix.length));
  }
  return names;
}

/** The same view; the checker sees what passes. */
function watched(view: StoreView, checker: EntryChecker, report: (keys: number) => void): StoreView {
  return {
    revision: view.revision,
    leases: () => view.leases(),
    async *entries(range) {
      let keys = 0;
      for await (const batch of view.entries(range)) {
        for (const entry of batch) checker.check(entry);
        keys += batch.length;
        report(keys);
        yield batch;
      }
    },
  };
}

class EntryChecker {
  readonly #leases: ReadonlyMap<LeaseId, bigint>;
  readonly #namespaces: ReadonlySet<string>;
  readonly #mvcc: LayerRecord;
  readonly #sensu: LayerRecord;
  readonly #unknown = new Map<string, number>();
  /** Keys left behind, by the namespace that was deleted. */
  readonly #leftBehind = new Map<string, number>();
  #values = 0;

  constructor(
    leases: ReadonlyMap<LeaseId, bigint>,
    namespaces: ReadonlySet<string>,
    mvcc: LayerRecord,
    sensu: LayerRecord,
  ) {
    this.#leases = leases;
    this.#namespaces = namespaces;
    this.#mvcc = mvcc;
    this.#sensu = sensu;
  }

  check(entry: StoreEntry): void {
    const { lease } = entry;
    if (lease !== undefined && !this.#leases.has(lease)) {
      const what = `is bound to lease ${formatId(lease)}, which does not exist: it would never end`;
      this.#mvcc.find(what, placeOf(entry));
    }
    const key = classifyKey(entry.key);
    this.#values += Number(key.group !== outsideRoot);
    if (key.kind === 'unknown') countOne(this.#unknown, key.group);
    this.#checkNamespace(entry, key);
    this.#checkValue(entry, key);
  }

  /** Keys that go by themselves may outlive their namespace for a while. */
  #checkNamespace(entry: StoreEntry, { group, namespace, kind }: KeyClass): void {
    if (namespace === undefined || kind === 'ephemeral' || this.#namespaces.has(namespace)) return;
    if (!goBeforeTheirNamespace.has(group)) countOne(this.#leftBehind, namespace);
    else this.#sensu.find('is in a namespace that does not exist', placeOf(entry));
  }

  #checkValue(entry: StoreEntry, key: KeyClass): void {
    try {
      checkValue(key, entry.value);
    } catch (error) {
      if (!(error instanceof MalformedValueError)) throw error;
      this.#sensu.find(lowerFirst(error.message), placeOf(entry));
    }
  }

  finish({ databaseVersion }: StoreContents): void {
    const layer = this.#sensu;
    layer.counts = { values: this.#values, namespaces: this.#namespaces.size };
    if (this.#values === 0) layer.find('holds no key of Sensu');
    else if (databaseVersion === undefined) {
      layer.find('has no version of the database that can be read', { key: versionKey });
    } else if (!knownDatabaseVersions.includes(databaseVersion)) {
      layer.find(`is version ${databaseVersion} of the database, which is not known`, { key: versionKey });
    }
    for (const [group, count] of this.#unknown) {
      const noun = count === 1 ? 'key' : 'keys';
      layer.notes.push(`${formatCount(count)} ${noun} of no known kind: ${showKey(Buffer.from(group))}`);
    }
    for (const [namespace, count] of this.#leftBehind) {
      const what = `${formatCounted(count, 'key')} left behind by the deleted namespace`;
      layer.notes.push(`${what} ${showKey(Buffer.from(namespace))}`);
    }
  }
}

function countOne(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

const versionKey = '/sensu.io/sensu_database_version';

function placeOf({ key, modRevision }: StoreEntry): { key: string; revision: string } {
  return { key: showKey(key), revision: String(modRevision) };
}

function lowerFirst(sentence: string): string {
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`.replace(/\.$/, '');
}
