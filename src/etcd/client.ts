import type { Reporter } from '../core/context.js';
import type { KeyRange, Lease, LeaseId, Revision, StoreEntry } from '../store/view.js';
import type { TokenKind } from './token-kind.js';

/** PEM contents, not paths. Without `ca` the system's roots are trusted. */
export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** How to reach a cluster. All endpoints have one scheme; `connect` proves that they lead to members of one cluster. */
export interface ConnectOptions {
  /** `http://host:port` or `https://host:port`; at least one. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles;
  readonly credentials?: Credentials;
  /** Deadline of each unary request; default 10,000 ms. Streams have an idle time-out of the same length. */
  readonly deadlineMs?: number;
  /** Ends every request that is under way. */
  readonly signal?: AbortSignal;
  /** Told what `connect` has found out about the cluster and the way to it. */
  readonly report?: Pick<Reporter, 'info' | 'warn'>;
}

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

export interface LeaseState extends Lease {
  /** Seconds until it ends; negative when it already has. */
  readonly remaining: bigint;
  readonly keys: readonly Buffer[];
}

export interface Member {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface PassedOver {
  readonly endpoint: string;
  readonly reason: string;
}

/** What the endpoints of a connection lead to, as it was when the connection was made. */
export interface Cluster {
  /** Undefined where auth is on and nobody has logged in. */
  readonly id: bigint | undefined;
  /** As the cluster itself knows them; empty where that is not told. */
  readonly members: readonly Member[];
  /** One endpoint for each voting member that answers, in the order given. */
  readonly voters: readonly string[];
  /** True when no member that answers has a leader. */
  readonly leaderless: boolean;
  /** Endpoints of learners: they serve nothing that this program wants. */
  readonly learners: readonly string[];
  /** Those, and endpoints that do not answer. */
  readonly passedOver: readonly PassedOver[];
  /** Members that no endpoint leads to. */
  readonly unnamed: readonly Member[];
  /** All that were given, in one form. */
  readonly endpoints: readonly string[];
}

export interface MemberStatus {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** Server version, such as `3.5.16`. */
  readonly version: string;
  readonly revision: Revision;
  readonly raftTerm: bigint;
  readonly raftIndex: bigint;
  readonly raftAppliedIndex: bigint;
  /** 0n while the cluster has no leader. */
  readonly leader: bigint;
  readonly isLearner: boolean;
  /** Bytes of the database file, and of those the part in use. */
  readonly dbSize: bigint;
  readonly dbSizeInUse: bigint;
  readonly errors: readonly string[];
}

export interface Alarm {
  readonly memberId: bigint;
  readonly type: 'NOSPACE' | 'CORRUPT';
}

export type Access = 'read' | 'write' | 'readwrite';

/**
 * What a role may do with a range of keys, in etcd's own form: no `end` is the single key, `end` = `\0` is
 * every key from `key` on (what `etcdctl --from-key` writes).
 */
export interface Permission {
  readonly access: Access;
  readonly key: Buffer;
  readonly end?: Buffer;
}

/** Users, roles and the switch. Every call but `enabled` needs root once auth is on. */
export interface EtcdAuth {
  /** Asked in a way that works on 3.4, and with no, wrong or right credentials. */
  enabled(): Promise<boolean>;
  enable(): Promise<void>;
  disable(): Promise<void>;
  users(): Promise<readonly string[]>;
  /** Roles of the user; undefined when there is no such user. */
  userRoles(user: string): Promise<readonly string[] | undefined>;
  /** Without a password the user can log in by certificate only. */
  addUser(user: string, password: string | undefined): Promise<void>;
  changePassword(user: string, password: string): Promise<void>;
  deleteUser(user: string): Promise<void>;
  grantRole(user: string, role: string): Promise<void>;
  revokeRole(user: string, role: string): Promise<void>;
  roles(): Promise<readonly string[]>;
  /** Undefined when there is no such role. */
  rolePermissions(role: string): Promise<readonly Permission[] | undefined>;
  addRole(role: string): Promise<void>;
  deleteRole(role: string): Promise<void>;
  grantPermission(role: string, permission: Permission): Promise<void>;
  revokePermission(role: string, range: Pick<Permission, 'key' | 'end'>): Promise<void>;
  /** True when etcd takes this name and password; false when it refuses them. */
  authenticates(credentials: Credentials): Promise<boolean>;
  /** What kinds of token the members that can be reached give for this login; none when they refuse it. */
  tokenKinds(credentials: Credentials): Promise<ReadonlySet<TokenKind>>;
}

/** Keeps leases from ending while somebody else is not yet there to do so. */
export interface LeaseKeeper {
  /**
   * Renewed at a third of its time to live, or sooner, until `release` or `close`. `remaining`: seconds that a lease
   * which was not just granted has left; its first renewal comes after a third of them.
   */
  hold(lease: Lease, remaining?: bigint): void;
  release(id: LeaseId): void;
  /** Ids that ended although they were held; empty as long as all is well. */
  readonly lost: ReadonlySet<LeaseId>;
  close(): Promise<void>;
}

/**
 * The one face of etcd in this program. Numbers of 64 bits are bigint, keys and values Buffers; every failure
 * is a FerryError. Reads are retried on another member; a write is retried only when it cannot have been
 * applied, or applying it twice is harmless. An ended token is renewed.
 */
export interface EtcdClient {
  readonly endpoints: readonly string[];
  readonly cluster: Cluster;
  range(request: RangeRequest): Promise<RangeResult>;
  txn(request: TxnRequest): Promise<TxnResult>;
  /**
   * Whether etcd takes a request that puts this key alone; false for one above its limit. Nothing is written. True where
   * the user may not write there: what etcd answers then is another matter.
   */
  takes(put: WriteOperation & { readonly type: 'put' }): Promise<boolean>;
  /** Grants a lease with the id it had. `exists`: the id is taken already, with whatever TTL. */
  grantLease(lease: Lease): Promise<'granted' | 'exists'>;
  /** Ends the lease and deletes its keys. False when there is no such lease. */
  revokeLease(id: LeaseId): Promise<boolean>;
  leaseIds(): Promise<readonly LeaseId[]>;
  /**
   * Undefined when there is no such lease. With auth, `keys` needs read permission on every key of the lease;
   * without them any user may ask. Default true.
   */
  leaseState(id: LeaseId, ask?: { readonly keys: boolean }): Promise<LeaseState | undefined>;
  keepLeases(): LeaseKeeper;
  members(): Promise<readonly Member[]>;
  /** Asked of that one endpoint, which must be among `endpoints` or a member's client URL. */
  status(endpoint: string): Promise<MemberStatus>;
  alarms(): Promise<readonly Alarm[]>;
  compact(revision: Revision): Promise<void>;
  /**
   * The bytes of a snapshot, the 32 bytes of etcd's sha256 trailer included, from that one endpoint. A part is valid
   * until the next is asked for.
   */
  snapshot(endpoint: string): AsyncIterable<Buffer>;
  readonly auth: EtcdAuth;
  close(): Promise<void>;
}
