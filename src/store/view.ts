import type { KeyRange, Lease, Revision, StoreEntry } from './types.js';

export type { KeyRange, Lease, LeaseId, Revision, StoreEntry } from './types.js';

/**
 * A store at one revision: a snapshot, a stopped data directory, or a live etcd read at a pinned revision.
 * What copies, compares and digests stores sees nothing else of them.
 */
export interface StoreView {
  readonly revision: Revision;
  /** Every lease of the store, in no order. */
  leases(): Promise<readonly Lease[]>;
  /**
   * Live keys of the range in byte order, in batches of bounded size (at most about 1 MiB or 1,000 keys), so
   * that a store is never in memory as a whole. Without a range, every key.
   */
  entries(range?: KeyRange): AsyncIterable<readonly StoreEntry[]>;
}
