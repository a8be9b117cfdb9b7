import { readAuth } from '../mvcc/auth-records.js';
import { AuthState, nobody, type Sender } from './auth-state.js';
import { putEntry } from './changed-store.js';
import type { ChangedStore } from './changed-store.js';
import { singleKeyRange } from '../mvcc/key-range.js';
import type { Compare, KeyRequest, RaftRequest, SentRequest, TxnRequest } from './raft-request.js';
import type { StoredAlarm } from '../mvcc/store-metadata.js';
import type { DbStore } from '../mvcc/store-file.js';
import type { KeyRange, Lease, LeaseId, StoreEntry } from '../../store/types.js';

/** etcd refuses longer leases, in seconds. */
const longestLease = 9_000_000_000n;

const untouchedByAlarms: ReadonlySet<RaftRequest['type']> = new Set([
  'alarm',
  'auth',
  'cluster-version',
  'other',
]);

/**
 * Does to a store what etcd does when it applies a request from its log. A request that etcd refuses (a lease
 * that is not there, a compacted revision, no space) changes nothing, the revision included; so does one that
 * succeeds without writing.
 *
 * One thing is not known here and taken to be in order: the floor that a member's election timeout sets for the
 * TTL of a lease.
 */
export class RequestApplier {
  revision: bigint;
  compacted: bigint;
  clusterVersion: string | undefined;
  readonly leases: Map<bigint, Lease>;
  alarms: StoredAlarm[];
  readonly auth: AuthState;
  /** Names of requests that were passed over, and how often: what in `StoreMetadata` may be out of date. */
  readonly passedOver = new Map<string, number>();
  readonly #store: ChangedStore;
  /** Leases whose keys the requests to come may ask for, so that one pass over the store finds all of them. */
  readonly #named: ReadonlySet<bigint>;
  #sender: Sender = nobody;
  #baseKeys: Map<bigint, Buffer[]> | undefined;

  constructor(base: DbStore, store: ChangedStore, named: ReadonlySet<bigint>) {
    this.revision = base.revision;
    this.compacted = base.compactedRevision;
    this.clusterVersion = base.clusterVersion;
    this.leases = new Map(base.leases.map((lease) => [lease.id, lease]));
    this.alarms = [...base.alarms];
    this.auth = new AuthState(readAuth(base.bbolt));
    this.#store = store;
    this.#named = named;
  }

  apply({ request, sender }: SentRequest): void {
    this.#sender = sender;
    // Under this alarm etcd changes no key and no lease.
    if (!untouchedByAlarms.has(request.type) && this.#alarmed('CORRUPT')) return;
    switch (request.type) {
      case 'put':
        if (this.#alarmed('NOSPACE') || !this.#permitted(request) || !this.#mayUseLease(request.lease))
          return;
        if (this.#putAllowed(request)) this.#write([request], []);
        return;
      case 'delete':
        if (this.#permitted(request)) this.#write([request], []);
        return;
      case 'txn':
        this.#txn(request);
        return;
      case 'compaction':
        if (request.revision > this.compacted && request.revision <= this.revision) {
          this.compacted = request.revision;
        }
        return;
      case 'lease-grant':
        this.#grant(request.id, request.ttl);
        return;
      case 'lease-revoke':
        this.#revoke(request.id);
        return;
      case 'alarm':
        this.#alarm(request);
        return;
      case 'auth':
        this.auth.apply(request.request, sender);
        return;
      case 'cluster-version':
        this.clusterVersion = request.version;
        return;
      case 'range':
        return;
      case 'other':
        this.passOver(request.name);
        return;
    }
  }

  passOver(name: string): void {
    this.passedOver.set(name, (this.passedOver.get(name) ?? 0) + 1);
  }

  /** Applies operations as one transaction: one revision for all of them, none when they write nothing. */
  #write(operations: readonly KeyRequest[], path: readonly boolean[]): void {
    const revision = this.revision + 1n;
    const branches = [...path];
    if (this.#applyOperations(operations, branches, revision)) this.revision = revision;
  }

  #applyOperations(operations: readonly KeyRequest[], branches: boolean[], revision: bigint): boolean {
    let wrote = false;
    for (const operation of operations) {
      if (operation.type === 'put') {
        this.#put(operation, revision);
        wrote = true;
      } else if (operation.type === 'delete') {
        const keys = [...this.#store.keys(operation.range)].flat();
        for (const { key } of keys) this.#store.delete(key, revision);
        wrote ||= keys.length > 0;
      } else if (operation.type === 'txn') {
        const chosen = branches.shift() ? operation.success : operation.failure;
        wrote = this.#applyOperations(chosen, branches, revision) || wrote;
      }
    }
    return wrote;
  }

  #put(request: KeyRequest & { readonly type: 'put' }, revision: bigint): void {
    const before = this.#store.get(request.key);
    const value = request.ignoreValue && before ? before.value : request.value;
    const lease = request.ignoreLease && before ? (before.lease ?? 0n) : request.lease;
    this.#store.set(putEntry(before, request.key, value, lease, revision));
  }

  #putAllowed(request: KeyRequest & { readonly type: 'put' }): boolean {
    if (request.lease !== 0n && !this.leases.has(request.lease)) return false;
    return !(request.ignoreValue || request.ignoreLease) || this.#store.get(request.key) !== undefined;
  }

  #txn(request: TxnRequest): void {
    if ((this.#alarmed('NOSPACE') && costsSpace(request)) || !this.#permitted(request)) return;
    // All comparisons, those of nested transactions too, see the store as it was before the first write.
    const path: boolean[] = [];
    this.#chooseBranches(request, path);
    const branches = [...path];
    const chosen = branches.shift() ? request.success : request.failure;
    if (this.#allAllowed(chosen, [...branches])) this.#write(chosen, branches);
  }

  /** Appends whether each transaction on the path taken succeeds, outermost first. */
  #chooseBranches(request: TxnRequest, path: boolean[]): void {
    const success = request.compares.every((compare) => this.#holds(compare));
    path.push(success);
    for (const operation of success ? request.success : request.failure) {
      if (operation.type === 'txn') this.#chooseBranches(operation, path);
    }
  }

  #allAllowed(operations: readonly KeyRequest[], branches: boolean[]): boolean {
    return operations.every((operation) => {
      if (operation.type === 'put') return this.#putAllowed(operation);
      if (operation.type === 'range') return this.#rangeAllowed(operation.revision);
      if (operation.type === 'delete') return true;
      return this.#allAllowed(branches.shift() ? operation.success : operation.failure, branches);
    });
  }

  /**
   * Whether the sender may do this; in a transaction, all that is in it, be it carried out or not. So the newest
   * etcd; up to 3.5.16 at least, a transaction inside another one was not looked into, which the log does not tell.
   */
  #permitted(request: KeyRequest): boolean {
    if (!this.auth.enabled) return true;
    switch (request.type) {
      case 'put': {
        const range = singleKeyRange(request.key);
        return this.#may('write', range) && (!request.showsBefore || this.#may('read', range));
      }
      case 'delete':
        return (
          this.#may('write', request.range) && (!request.showsBefore || this.#may('read', request.range))
        );
      case 'range':
        return this.#may('read', request.range);
      case 'txn':
        return (
          request.compares.every(({ range }) => this.#may('read', range)) &&
          [...request.success, ...request.failure].every((operation) => this.#permitted(operation))
        );
    }
  }

  #may(access: 'read' | 'write', range: KeyRange): boolean {
    return this.auth.permits(this.#sender, access, range);
  }

  /** A lease is only for those who may write all of its keys, as its end deletes them. */
  #mayUseLease(id: bigint): boolean {
    if (id === 0n || !this.leases.has(id) || this.auth.isAdmin(this.#sender)) return true;
    return this.#keysOf(id).every((key) => this.#may('write', singleKeyRange(key)));
  }

  #rangeAllowed(revision: bigint): boolean {
    return revision <= 0n || (revision <= this.revision && revision >= this.compacted);
  }

  #holds(compare: Compare): boolean {
    let found = false;
    for (const batch of this.#store.entries(compare.range)) {
      found = true;
      if (!batch.every((entry) => compareHolds(compare, entry))) return false;
    }
    // A value cannot be compared with that of a key that is not there; everything else is 0 then.
    return found || (compare.target !== 'value' && compareHolds(compare, undefined));
  }

  #grant(id: bigint, ttl: bigint): void {
    if (this.#alarmed('NOSPACE') || id === 0n || ttl > longestLease || this.leases.has(id)) return;
    this.leases.set(id, { id: id as LeaseId, ttl });
  }

  /** Deletes the keys of the lease as one transaction. */
  #revoke(id: bigint): void {
    if (!this.leases.has(id) || !this.#mayUseLease(id)) return;
    const keys = this.#keysOf(id);
    this.leases.delete(id);
    if (keys.length > 0) this.revision++;
    for (const key of keys) {
      if (this.#store.get(key)) this.#store.delete(key, this.revision);
    }
  }

  /** In byte order; a key may be among them twice. */
  #keysOf(lease: bigint): Buffer[] {
    this.#baseKeys ??= this.#store.baseKeysOfLeases(this.#named);
    const onDisk = this.#baseKeys.get(lease) ?? [];
    const still = onDisk.filter((key) => this.#store.get(key)?.lease === lease);
    return [...still, ...this.#store.changedKeysOfLease(lease)].sort((a, b) => Buffer.compare(a, b));
  }

  #alarm(request: RaftRequest & { readonly type: 'alarm' }): void {
    if (request.alarm !== 1n && request.alarm !== 2n) return;
    const type = request.alarm === 1n ? 'NOSPACE' : 'CORRUPT';
    const others = this.alarms.filter((alarm) => alarm.memberId !== request.memberId || alarm.type !== type);
    if (request.action === 'activate') this.alarms = [...others, { memberId: request.memberId, type }];
    else if (request.action === 'deactivate') this.alarms = others;
  }

  #alarmed(type: StoredAlarm['type']): boolean {
    return this.alarms.some((alarm) => alarm.type === type);
  }
}

/** What etcd refuses when there is no space: any put in either branch, nested transactions not looked into. */
function costsSpace(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].some(({ type }) => type === 'put');
}

function compareHolds(compare: Compare, entry: StoreEntry | undefined): boolean {
  const order = compareOrder(compare, entry);
  switch (compare.result) {
    case 'equal':
      return order === 0;
    case 'not-equal':
      return order !== 0;
    case 'greater':
      return order > 0;
    case 'less':
      return order < 0;
  }
}

function compareOrder(compare: Compare, entry: StoreEntry | undefined): number {
  switch (compare.target) {
    case 'value':
      return Buffer.compare(entry?.value ?? Buffer.alloc(0), compare.value);
    case 'version':
      return order(entry?.version, compare.number);
    case 'create':
      return order(entry?.createRevision, compare.number);
    case 'mod':
      return order(entry?.modRevision, compare.number);
    case 'lease':
      return order(entry?.lease, compare.number);
  }
}

function order(actual: bigint | undefined, wanted: bigint): number {
  const value = actual ?? 0n;
  return value < wanted ? -1 : value > wanted ? 1 : 0;
}
