import { sensuRoot } from '../store/sensu-root.js';
import type { KeyRange, Lease, LeaseId, StoreEntry, StoreView } from '../store/view.js';

/** Which keys of a store are copied, and compared afterwards. */
export interface Part {
  readonly range: KeyRange;
  /** Narrows the range; every key of it when absent. */
  readonly includes?: (key: Buffer) => boolean;
  /** False leaves out keys that are bound to a lease. */
  readonly ephemeral: boolean;
}

export const wholeStore: Part = { range: sensuRoot, ephemeral: true };

/**
 * True when leases without keys belong to the part too: only to all of a Sensu store. They are granted so that
 * the target has the same leases as the source; nobody keeps them, so they end by themselves.
 */
export function hasEveryLease(part: Part): boolean {
  return part.ephemeral && part.includes === undefined && part.range === sensuRoot;
}

/** Leases of a view by id. */
export async function leasesById(view: StoreView): Promise<ReadonlyMap<LeaseId, Lease>> {
  return new Map((await view.leases()).map((lease) => [lease.id, lease]));
}

/** The lease that holds a key; undefined for a lasting key, and for one whose lease the store does not know. */
export function leaseOf(
  entry: Pick<StoreEntry, 'lease'>,
  leases: ReadonlyMap<LeaseId, Lease>,
): Lease | undefined {
  return entry.lease === undefined ? undefined : leases.get(entry.lease);
}

/** The entries of a batch that belong to the part. `isEphemeral` is asked of their own store. */
export function selectEntries(
  batch: readonly StoreEntry[],
  part: Part,
  isEphemeral: (entry: StoreEntry) => boolean,
): readonly StoreEntry[] {
  const { includes, ephemeral } = part;
  if (includes === undefined && ephemeral) return batch;
  return batch.filter(
    (entry) => (includes === undefined || includes(entry.key)) && (ephemeral || !isEphemeral(entry)),
  );
}
