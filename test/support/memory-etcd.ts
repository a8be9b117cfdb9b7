import { FerryError } from '../../src/core/errors.js';
import type {
  Guard,
  Kv,
  RangeRequest,
  RangeResult,
  TxnRequest,
  TxnResult,
} from '../../src/etcd/facets/kv.js';
import type { LeaseKeeper, Leases, LeaseState } from '../../src/etcd/facets/leases.js';
import type { Alarms } from '../../src/etcd/facets/maintenance.js';
import type { Lease, LeaseId, Revision, StoreEntry, StoreView } from '../../src/store/view.js';

/**
 * etcd's rules on a map, without history: for what a real one does only by chance, such as losing an answer.
 * Everything else is tested on real etcd.
 */
export class MemoryEtcd implements Kv, Leases, Alarms {
  readonly keys = new Map<string, StoreEntry>();
  readonly granted = new Map<LeaseId, bigint>();
  /** Seconds that leases have left; default all of their TTL. */
  readonly remaining = new Map<LeaseId, bigint>();
  readonly transactions: TxnRequest[] = [];
  /** Called before each transaction and after it is applied; may throw. */
  beforeTxn: (request: TxnRequest) => void = () => undefined;
  afterTxn: (request: TxnRequest) => void = () => undefined;
  maxRequestBytes = 1_572_864;
  maxTxnOps = 128;
  minTtl = 1n;
  #revision = 1n;

  range(request: RangeRequest): Promise<RangeResult> {
    const found = [...this.keys.values()]
      .filter(({ key }) => key.compare(request.start) >= 0)
      .filter(({ key }) => request.end === undefined || key.compare(request.end) < 0)
      .sort((a, b) => a.key.compare(b.key));
    const entries = request.countOnly === true ? [] : found.slice(0, request.limit ?? found.length);
    return Promise.resolve({
      revision: this.#revision as Revision,
      entries,
      count: BigInt(found.length),
      more: entries.length < found.length,
    });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a throw must become a rejection
  async txn(request: TxnRequest): Promise<TxnResult> {
    this.beforeTxn(request);
    this.transactions.push(request);
    this.#checkLimits(request);
    const succeeded = (request.guards ?? []).every((guard) => this.#holds(guard));
    if (succeeded) this.#apply(request);
    this.afterTxn(request);
    return { revision: this.#revision as Revision, succeeded };
  }

  takes(put: TxnRequest['writes'][number]): Promise<boolean> {
    return Promise.resolve(writtenBytes(put) <= this.maxRequestBytes);
  }

  grantLease({ id, ttl }: Lease): Promise<'granted' | 'exists'> {
    if (this.granted.has(id)) return Promise.resolve('exists');
    this.granted.set(id, ttl < this.minTtl ? this.minTtl : ttl);
    this.remaining.delete(id);
    return Promise.resolve('granted');
  }

  revokeLease(id: LeaseId): Promise<boolean> {
    for (const [name, entry] of this.keys) if (entry.lease === id) this.keys.delete(name);
    return Promise.resolve(this.granted.delete(id));
  }

  leaseIds(): Promise<readonly LeaseId[]> {
    return Promise.resolve([...this.granted.keys()]);
  }

  leaseState(id: LeaseId): Promise<LeaseState | undefined> {
    const ttl = this.granted.get(id);
    if (ttl === undefined) return Promise.resolve(undefined);
    const keys = [...this.keys.values()].filter((entry) => entry.lease === id).map(({ key }) => key);
    return Promise.resolve({ id, ttl, remaining: this.remaining.get(id) ?? ttl, keys });
  }

  alarms(): Promise<[]> {
    return Promise.resolve([]);
  }

  keepLeases(): MemoryKeeper {
    return new MemoryKeeper();
  }

  /** Puts a key past every check, as another program would. */
  put(key: string, value: string, lease?: LeaseId): void {
    this.#revision += 1n;
    this.#put(Buffer.from(key), Buffer.from(value), lease);
  }

  #holds({ key, end, modRevision }: Guard): boolean {
    if (end === undefined) return (this.keys.get(key.toString('latin1'))?.modRevision ?? 0n) === modRevision;
    return [...this.keys.values()]
      .filter((entry) => entry.key.compare(key) >= 0 && entry.key.compare(end) < 0)
      .every((entry) => entry.modRevision === modRevision);
  }

  #checkLimits({ guards = [], writes }: TxnRequest): void {
    if (Math.max(writes.length, guards.length) > this.maxTxnOps)
      throw failure('failed', 'TOO_MANY_OPERATIONS');
    if (new Set(writes.map(({ key }) => key.toString('latin1'))).size < writes.length) {
      throw new Error('duplicate key');
    }
    const bytes = [...guards.map(({ key }) => key.length + 8), ...writes.map(writtenBytes)];
    if (bytes.reduce((sum, size) => sum + size, 0) <= this.maxRequestBytes) return;
    throw failure('failed', 'REQUEST_TOO_LARGE');
  }

  #apply({ writes }: TxnRequest): void {
    this.#revision += 1n;
    for (const write of writes) {
      if (write.type === 'delete') this.keys.delete(write.key.toString('latin1'));
      else this.#put(write.key, write.value, write.lease);
    }
  }

  #put(key: Buffer, value: Buffer, lease: LeaseId | undefined): void {
    if (lease !== undefined && !this.granted.has(lease)) throw failure('failed', 'LEASE_NOT_FOUND');
    const revision = this.#revision as Revision;
    const entry = { key, value, lease, createRevision: revision, modRevision: revision, version: 1n };
    this.keys.set(key.toString('latin1'), entry);
  }
}

export class MemoryKeeper implements LeaseKeeper {
  readonly held = new Set<LeaseId>();
  readonly lost = new Set<LeaseId>();
  /** What was said to be left of each lease when it was to be held. */
  readonly remaining = new Map<LeaseId, bigint | undefined>();

  hold({ id }: Lease, remaining?: bigint): void {
    this.remaining.set(id, remaining);
    this.lost.delete(id);
    this.held.add(id);
  }

  release(id: LeaseId): void {
    this.held.delete(id);
  }

  close(): Promise<void> {
    this.held.clear();
    return Promise.resolve();
  }
}

export function failure(kind: FerryError['kind'], code: string): FerryError {
  return new FerryError({ kind, code, message: `${code}.`, hint: '' });
}

function writtenBytes(write: TxnRequest['writes'][number]): number {
  return write.key.length + (write.type === 'put' ? write.value.length : 0) + 8;
}

/** A key of a store under test: text and numbers are turned into what etcd has. */
export interface Wanted {
  readonly key: string;
  readonly value?: string | Buffer;
  readonly lease?: bigint;
  readonly modRevision?: bigint;
}

export const leaseId = (id: bigint): LeaseId => id as LeaseId;

/** A store at rest in memory; keys are sorted here. */
export function memoryView(
  wanted: readonly Wanted[],
  leases: readonly (readonly [id: bigint, ttl: bigint])[] = [],
  revision = 100n,
  batchSize = 1000,
): StoreView {
  const all = wanted
    .map((each): StoreEntry => {
      const modRevision = (each.modRevision ?? 2n) as Revision;
      return {
        key: Buffer.from(each.key),
        value: Buffer.from(each.value ?? ''),
        lease: each.lease as LeaseId | undefined,
        createRevision: modRevision,
        modRevision,
        version: 1n,
      };
    })
    .sort((a, b) => a.key.compare(b.key));
  return {
    revision: revision as Revision,
    leases: () => Promise.resolve(leases.map(([id, ttl]) => ({ id: leaseId(id), ttl }))),
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
    async *entries(range) {
      const inRange = all.filter(
        ({ key }) =>
          range === undefined ||
          (key.compare(range.start) >= 0 && (range.end === undefined || key.compare(range.end) < 0)),
      );
      for (let i = 0; i < inRange.length; i += batchSize) yield inRange.slice(i, i + batchSize);
    },
  };
}
