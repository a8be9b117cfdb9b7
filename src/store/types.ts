/** etcd's store revision: it grows by one with each transaction that writes. */
export type Revision = bigint & { readonly __revision: unique symbol };

/** etcd's lease id, a signed 64-bit number that exceeds what a JS number holds. */
export type LeaseId = bigint & { readonly __leaseId: unique symbol };

/** A lease as it was granted. */
export interface Lease {
  readonly id: LeaseId;
  /** The granted time to live in seconds, not what is left of it. */
  readonly ttl: bigint;
}

/** One live key with its current value: etcd's `mvccpb.KeyValue`. The buffers are the reader's own copies. */
export interface StoreEntry {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** Number of writes since the key was created. */
  readonly version: bigint;
  /** Undefined for a key without a lease. */
  readonly lease: LeaseId | undefined;
}

/** Keys from `start` (inclusive) to `end` (exclusive), in byte order. No `end` means to the end of the key space. */
export interface KeyRange {
  readonly start: Buffer;
  readonly end?: Buffer;
}

/** One live key without its value: what it takes to tell whether two stores differ in it. */
export interface KeyHead {
  readonly key: Buffer;
  readonly modRevision: Revision;
  /** Undefined for a key without a lease. */
  readonly lease: LeaseId | undefined;
}
