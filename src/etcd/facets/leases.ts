import type { Lease, LeaseId } from '../../store/view.js';

export interface LeaseState extends Lease {
  /** Seconds until it ends; negative when it already has. */
  readonly remaining: bigint;
  readonly keys: readonly Buffer[];
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

export interface LeaseReader {
  leaseIds(): Promise<readonly LeaseId[]>;
  /**
   * Undefined when there is no such lease. With auth, `keys` needs read permission on every key of the lease;
   * without them any user may ask. Default true.
   */
  leaseState(id: LeaseId, ask?: { readonly keys: boolean }): Promise<LeaseState | undefined>;
}

export interface Leases extends LeaseReader {
  /** Grants a lease with the id it had. `exists`: the id is taken already, with whatever TTL. */
  grantLease(lease: Lease): Promise<'granted' | 'exists'>;
  /** Ends the lease and deletes its keys. False when there is no such lease. */
  revokeLease(id: LeaseId): Promise<boolean>;
  keepLeases(): LeaseKeeper;
}
