import type { KeyRecord } from '../support/store-writer.js';

/** What the model knows of a live key. */
export interface ModelKey {
  readonly value: Buffer;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
  readonly lease: bigint;
}

/** etcd's key space, written as plainly as possible: what the reader's answers are held against. */
export class ModelStore {
  revision = 1n;
  /** By key, as latin1. */
  readonly live = new Map<string, ModelKey>();
  readonly records: KeyRecord[] = [];
  readonly leases = new Map<bigint, bigint>();

  /** One transaction; no revision is used up when it writes nothing. */
  transact(write: (txn: ModelTransaction) => void): void {
    const txn = new ModelTransaction(this);
    write(txn);
    if (txn.writes > 0n) this.revision++;
  }

  grant(id: bigint, ttl: bigint): void {
    if (!this.leases.has(id)) this.leases.set(id, ttl);
  }

  revoke(id: bigint): void {
    if (!this.leases.delete(id)) return;
    const keys = [...this.live].filter(([, entry]) => entry.lease === id).map(([key]) => key);
    this.transact((txn) => {
      for (const key of keys.sort()) txn.delete(key);
    });
  }

  /** Live keys in byte order; latin1 strings sort like the bytes they stand for. */
  sorted(): [string, ModelKey][] {
    return [...this.live].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

class ModelTransaction {
  writes = 0n;
  readonly #store: ModelStore;
  readonly #main: bigint;

  constructor(store: ModelStore) {
    this.#store = store;
    this.#main = store.revision + 1n;
  }

  put(key: string, value: Buffer, lease: bigint): void {
    const before = this.#store.live.get(key);
    const createRevision = before?.createRevision ?? this.#main;
    const version = (before?.version ?? 0n) + 1n;
    this.#store.live.set(key, { value, createRevision, modRevision: this.#main, version, lease });
    this.#record(key, { value, createRevision, version, lease });
  }

  delete(key: string): void {
    if (this.#store.live.delete(key)) this.#record(key, undefined);
  }

  #record(key: string, put: KeyRecord['put']): void {
    const record = { main: this.#main, sub: this.writes++, key: Buffer.from(key, 'latin1') };
    this.#store.records.push(put ? { ...record, put } : record);
  }
}
