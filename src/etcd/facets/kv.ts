import type { KeyRange, LeaseId, Revision, StoreEntry } from '../../store/view.js';

export interface RangeRequest extends KeyRange {
  /** Read at this revision instead of the newest. */
  readonly revision?: Revision;
  /** At most so many keys. */
  readonly limit?: number;
  /** Leaves out the values, and the leases with them: etcd 3.7 tells none then, and older ones shall not differ. */
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  /** Only keys last written at this revision or later. */
  readonly minModRevision?: Revision;
  /** As the one member knows it, which may lag behind; it answers without a leader. Default false. */
  readonly serializable?: boolean;
}

export interface RangeResult {
  /** The store's revision when the request was answered. */
  readonly revision: Revision;
  readonly entries: readonly StoreEntry[];
  /** Keys in the whole range, whatever the limit. */
  readonly count: bigint;
  /** True when the limit or the response's size cut the answer short. */
  readonly more: boolean;
}

export type WriteOperation =
  | {
      readonly type: 'put';
      readonly key: Buffer;
      readonly value: Buffer;
      readonly lease?: LeaseId | undefined;
    }
  | { readonly type: 'delete'; readonly key: Buffer };

/** A guard of a transaction: the key's last revision, 0n for a key that must not exist. */
export interface Guard {
  readonly key: Buffer;
  /** Guards every key from `key` to here, this one excluded; with 0n there must be none. */
  readonly end?: Buffer;
  readonly modRevision: Revision;
}

export interface TxnRequest {
  /** All must hold, or nothing is written. */
  readonly guards?: readonly Guard[];
  /** At most 128, each key once, at most 1.5 MiB together: etcd's limits. */
  readonly writes: readonly WriteOperation[];
}

export interface TxnResult {
  readonly revision: Revision;
  /** False when a guard failed. */
  readonly succeeded: boolean;
}

/** Reads keys; a read is retried on another member. */
export interface KvReader {
  range(request: RangeRequest): Promise<RangeResult>;
}

/** Reads and writes keys. A write is retried only when it cannot have been applied. */
export interface Kv extends KvReader {
  txn(request: TxnRequest): Promise<TxnResult>;
  /**
   * Whether etcd takes a request that puts this key alone; false for one above its limit. Nothing is written. True where
   * the user may not write there: what etcd answers then is another matter.
   */
  takes(put: WriteOperation & { readonly type: 'put' }): Promise<boolean>;
}
