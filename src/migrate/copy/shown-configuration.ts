import { createHash } from 'node:crypto';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { formatCount, formatCounted, formatSome } from '../../core/units.js';
import { ApiSource } from '../../dump/sources/api.js';
import type { DumpItem } from '../../dump/item.js';
import { nameOf, type ResourceName } from '../../dump/loss-report.js';
import { fullName, parseSelection, type Selection } from '../../dump/selection.js';
import { dumpServer } from '../../dump/sources/server.js';
import { dumpStore } from '../../dump/sources/store.js';
import { jsonDocument } from '../../dump/write/json.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { asApiShows } from '../../sensu/resources/secrets.js';
import type { ApiResource } from '../../sensu/resources/api-value.js';
import { apiKeyHint } from '../../sensu/keys/values.js';
import type { StoreView } from '../../store/view.js';
import { failed, proven, type Proof } from '../proof.js';

/** What the proof is called. */
export const shownProof = 'configuration as the API shows it';

/** What nobody but people and programs of theirs change: the rest does not stand still under a running backend. */
const selection: Selection = {
  ...parseSelection({ omit: 'entities,events,silenced' }),
  // How their Sensu shows what it stores of these, only it knows.
  ...{ enterprise: false, hasEnterprise: () => false },
};

/** Whether the backend shows each resource that was carried, and as it was stored. */
export async function shownConfiguration(
  { signal }: Pick<Context, 'signal'>,
  api: ApiConnection,
  carried: StoreView,
): Promise<Proof> {
  try {
    const stored = await gather(dumpStore(carried, selection, { signal }));
    const shown = await gather(dumpServer(new ApiSource(api, selection), selection));
    return compare(stored, shown);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FerryError) return failed(shownProof, error.message);
    throw error;
  }
}

interface Fingerprint {
  readonly type: string;
  /** As it may be shown. */
  readonly shown: string;
  readonly hash: string;
}

interface Gathered {
  /** By type, namespace and name, which of an API key is secret. */
  readonly resources: ReadonlyMap<string, Fingerprint>;
  /** Types that were not given. */
  readonly skipped: ReadonlySet<string>;
}

async function gather(items: AsyncIterable<DumpItem>): Promise<Gathered> {
  const resources = new Map<string, Fingerprint>();
  const skipped = new Set<string>();
  for await (const item of items) {
    if (item.is === 'skipped') skipped.add(item.type);
    if (item.is !== 'resource') continue;
    const name = nameOf(item.resource);
    resources.set(`${name.type} ${name.namespace}/${name.name}`, fingerprintOf(item.resource, name));
  }
  return { resources, skipped };
}

function fingerprintOf(resource: ApiResource, { type, namespace, name }: ResourceName): Fingerprint {
  const shownName = type === 'APIKey' ? apiKeyHint(name) : name;
  return {
    type: fullName(resource),
    shown: `${type} ${namespace === '' ? '' : `${namespace}/`}${shownName}`,
    hash: createHash('sha256')
      .update(jsonDocument(asApiShows(resource)))
      .digest('hex'),
  };
}

/** A resource may have been changed since the switch, and that is no fault of the migration: the digest is its proof. */
function compare(stored: Gathered, shown: Gathered): Proof {
  const asked = [...stored.resources].filter(([, { type }]) => !shown.skipped.has(type));
  const missing = asked.filter(([name]) => !shown.resources.has(name));
  if (missing.length > 0)
    return failed(shownProof, `${formatCount(missing.length)} missing: ${firstOf(missing)}`);
  const changed = asked.filter(([name, { hash }]) => shown.resources.get(name)!.hash !== hash);
  const notes = [
    `${formatCounted(asked.length, 'resource is', 'resources are')} there`,
    ...(changed.length > 0 ? [`changed since the switch: ${firstOf(changed)}`] : []),
    ...(shown.skipped.size > 0 ? [`not shown to this API key: ${[...shown.skipped].join(', ')}`] : []),
  ];
  return proven(shownProof, notes.join('; '));
}

function firstOf(resources: readonly (readonly [string, Fingerprint])[]): string {
  const names = resources.slice(0, 3).map(([, { shown }]) => shown);
  return formatSome(names, resources.length);
}
