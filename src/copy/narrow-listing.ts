import { sensuRoot } from '../store/sensu-root.js';
import type { KeyRange, Lease, LeaseId } from '../store/view.js';
import { listKeys, type KeyListing } from './difference.js';

type IsIncluded = (key: Buffer) => boolean;

/** The store as if it held no other keys than those that are included, and no other leases than hold them. */
export function narrowListing(store: KeyListing, isIncluded: IsIncluded): KeyListing {
  let leases: Promise<readonly Lease[]> | undefined;
  const { revision, path, file } = store;
  const narrowed: KeyListing = {
    revision,
    ...(path !== undefined && { path }),
    entries: (range) => select(store.entries(range), isIncluded),
    ...(file && { file: narrowFile(file, isIncluded) }),
    leases: () => (leases ??= leasesInUse(store, narrowed)),
  };
  return narrowed;
}

type ListedFile = NonNullable<KeyListing['file']>;

function narrowFile(file: ListedFile, isIncluded: IsIncluded): ListedFile {
  return {
    *keys(range: KeyRange) {
      for (const batch of file.keys(range)) yield batch.filter(({ key }) => isIncluded(key));
    },
    indexing: () => file.indexing?.() ?? [].values(),
  };
}

async function* select<Entry extends { readonly key: Buffer }>(
  batches: AsyncIterable<readonly Entry[]>,
  isIncluded: IsIncluded,
): AsyncGenerator<readonly Entry[]> {
  for await (const batch of batches) yield batch.filter(({ key }) => isIncluded(key));
}

async function leasesInUse(store: KeyListing, narrowed: KeyListing): Promise<readonly Lease[]> {
  const held = new Set<LeaseId>();
  for await (const batch of listKeys(narrowed, sensuRoot)) {
    for (const { lease } of batch) if (lease !== undefined) held.add(lease);
  }
  return (await store.leases()).filter(({ id }) => held.has(id));
}
