import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatCount, formatSome } from '../core/units.js';
import type { KvReader } from '../etcd/facets/kv.js';
import { classifyKey } from '../sensu/keys/key-space.js';
import { kindOfGroup } from '../sensu/resources/kinds.js';
import { apiKeyHint } from '../sensu/keys/values.js';
import { sensuRoot } from '../store/sensu-root.js';
import type { Revision, StoreEntry } from '../store/view.js';
import type { Facts } from './facts.js';
import { nameOf } from './failures.js';
import { readSecrets } from './read-secrets.js';
import { connectTarget } from './resources.js';
import type { RecordedSettings } from './settings.js';

/** What the backend wrote to the external etcd since the switch, and a rollback leaves there. */
interface WrittenSince {
  readonly resources: readonly WrittenResources[];
  /** False when the external etcd has compacted the revision of the switch: what was deleted is not known then. */
  readonly deletionsKnown: boolean;
}

interface WrittenResources {
  /** As sensuctl names them, such as `checks`; the rest as their keys do. */
  readonly resource: string;
  readonly created: CountedKeys;
  readonly changed: CountedKeys;
  readonly deleted: CountedKeys;
}

interface CountedKeys {
  readonly count: number;
  /** Of what somebody has set up, some of the names. */
  readonly names: readonly string[];
}

/** What could not be counted is said, and does not keep the backend from going back. */
export type WrittenOrFault = WrittenSince | { readonly fault: string };

/** Undefined when the backend never served the external etcd. */
export async function countWrittenSince(
  context: Context,
  settings: RecordedSettings,
  facts: Partial<Facts>,
): Promise<WrittenOrFault | undefined> {
  if (facts.difference === undefined || facts.configure === undefined) return undefined;
  const since = BigInt(facts.difference.targetRevision) as Revision;
  try {
    const client = await connectTarget(context, settings, await readSecrets(settings));
    try {
      return await count(client, since);
    } finally {
      await client.close();
    }
  } catch (error) {
    context.signal.throwIfAborted();
    return { fault: nameOf(error) };
  }
}

async function count(client: KvReader, since: Revision): Promise<WrittenSince> {
  const counter = new Counter();
  const before = await keysAt(client, since);
  for await (const { key, createRevision, modRevision } of keysOf(client)) {
    before?.delete(key.toString('latin1'));
    if (modRevision > since) counter.add(key, createRevision > since ? 'created' : 'changed');
  }
  for (const key of before ?? []) counter.add(Buffer.from(key, 'latin1'), 'deleted');
  return { resources: counter.resources(), deletionsKnown: before !== undefined };
}

/** Undefined when that revision was compacted. */
async function keysAt(client: KvReader, revision: Revision): Promise<Set<string> | undefined> {
  const keys = new Set<string>();
  try {
    for await (const { key } of keysOf(client, revision)) keys.add(key.toString('latin1'));
    return keys;
  } catch (error) {
    if (error instanceof FerryError && error.code === 'STORE_COMPACTED') return undefined;
    throw error;
  }
}

const keysPerPage = 5000;

async function* keysOf(client: KvReader, revision?: Revision): AsyncGenerator<StoreEntry> {
  let { start } = sensuRoot;
  for (;;) {
    const request = { ...sensuRoot, start, keysOnly: true, limit: keysPerPage };
    const { entries, more } = await client.range({ ...request, ...(revision !== undefined && { revision }) });
    yield* entries;
    const last = entries.at(-1);
    if (!more || last === undefined) return;
    start = Buffer.concat([last.key, Buffer.of(0)]);
  }
}

const changes = ['created', 'changed', 'deleted'] as const;

type Change = (typeof changes)[number];

/** How many are named of a kind. */
const named = 5;

class Counter {
  readonly #byGroup = new Map<string, Record<Change, { count: number; names: string[] }>>();

  add(key: Buffer, change: Change): void {
    const { group, kind, namespace, name } = classifyKey(key);
    // Made again by each backend, and gone by itself.
    if (kind === 'ephemeral') return;
    const none = (): { count: number; names: string[] } => ({ count: 0, names: [] });
    const found = this.#byGroup.get(group) ?? { created: none(), changed: none(), deleted: none() };
    this.#byGroup.set(group, found);
    const counted = found[change];
    counted.count += 1;
    if (kind !== 'configuration' || counted.names.length >= named) return;
    // The name of an API key is the key.
    const shown = group === '/sensu.io/apikeys/' ? apiKeyHint(name ?? '') : name;
    counted.names.push([namespace, shown].filter(Boolean).join('/'));
  }

  resources(): WrittenResources[] {
    return [...this.#byGroup].map(([group, counts]) => ({
      resource: kindOfGroup(group)?.shortName ?? group.slice('/sensu.io/'.length).replace(/\/$/, ''),
      ...counts,
    }));
  }
}

/** Lines for a person; none when nothing was written. */
export function describeWritten(written: WrittenOrFault | undefined): string[] {
  if (written === undefined) return [];
  if ('fault' in written) {
    return [
      `What was written to the external etcd since the switch stays there, and could not be counted: ${written.fault}`,
    ];
  }
  const lines = written.resources.map((resource) => {
    const parts = changes.flatMap((change) => {
      const { count, names } = resource[change];
      if (count === 0) return [];
      return `${formatCount(count)} ${change}${names.length === 0 ? '' : ` (${formatSome(names, count)})`}`;
    });
    return `  ${resource.resource}: ${parts.join(', ')}`;
  });
  if (lines.length === 0) return ['Nothing was written to the external etcd since the switch.'];
  return [
    'Written to the external etcd since the switch; it stays there and is not carried back:',
    ...lines,
    ...(written.deletionsKnown
      ? []
      : ['  Deletions are not known: etcd has compacted the time of the switch.']),
  ];
}
