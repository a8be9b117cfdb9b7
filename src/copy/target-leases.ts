import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../core/errors.js';
import { formatId } from '../core/units.js';
import type { LeaseKeeper, LeaseReader, LeaseState, Leases } from '../etcd/facets/leases.js';
import type { Lease, LeaseId } from '../store/view.js';
import { forEachConcurrently } from '../core/concurrently.js';
import { showKeys } from '../sensu/keys/key-name.js';

const requestsInFlight = 32;

/**
 * etcd raises a TTL that is shorter than one and a half election time-outs, which are 50 s at most: only a
 * lease below this has to be asked for what it really got.
 */
const longestRaisedTtl = 75n;

/** What a target that was asked for a lease made of it. */
export interface LeaseOutcome {
  /** As the source has it. */
  readonly wanted: Lease;
  /** Longer than wanted where the target's election time-out does not allow the TTL. */
  readonly ttl: bigint;
  /** True when the lease had to be made; false when it was there with its TTL. */
  readonly granted: boolean;
}

/**
 * Those of the leases that the target has. Newer etcd (3.5.30) lists leases only to a user who may read every
 * key that is bound to any of them; other programs' keys are none of ours, so then each lease is asked for.
 */
export async function existingLeases(
  client: LeaseReader,
  ids: Iterable<LeaseId>,
): Promise<ReadonlySet<LeaseId>> {
  const wanted = new Set(ids);
  if (wanted.size === 0) return wanted;
  try {
    return new Set((await client.leaseIds()).filter((id) => wanted.has(id)));
  } catch (error) {
    if (!(error instanceof FerryError) || error.kind !== 'denied') throw error;
    return new Set((await readLeases(client, wanted)).keys());
  }
}

/** Reads the states of those of the leases that the target has. */
export async function readLeases(
  client: LeaseReader,
  ids: Iterable<LeaseId>,
): Promise<ReadonlyMap<LeaseId, LeaseState>> {
  const states = new Map<LeaseId, LeaseState>();
  await forEachConcurrently(ids, requestsInFlight, async (id) => {
    const state = await client.leaseState(id);
    if (state !== undefined) states.set(id, state);
  });
  return states;
}

/**
 * Sees to it that the target has each lease with its TTL, and holds it. A lease of that id with another TTL, or that
 * is about to end, is ended and granted anew: etcd deletes its keys, so this comes before they are put. It is refused when a
 * key is bound to it that `mayDelete` does not give up.
 */
export async function ensureLeases(
  client: Leases,
  leases: Iterable<Lease>,
  keeper: LeaseKeeper,
  mayDelete: (key: Buffer) => boolean,
): Promise<readonly LeaseOutcome[]> {
  const outcomes: LeaseOutcome[] = [];
  await forEachConcurrently(leases, requestsInFlight, async (wanted) => {
    const { remaining, ...outcome } = await ensureLease(client, wanted, keeper, mayDelete);
    keeper.hold({ id: wanted.id, ttl: outcome.ttl }, remaining);
    outcomes.push(outcome);
  });
  return outcomes;
}

/** A lease that is found with no more than so many seconds could end before its first renewal. */
const endingSeconds = 1n;

async function ensureLease(
  client: Leases,
  wanted: Lease,
  keeper: LeaseKeeper,
  mayDelete: (key: Buffer) => boolean,
): Promise<LeaseOutcome & { readonly remaining: bigint }> {
  if ((await client.grantLease(wanted)) === 'granted') return freshlyGranted(client, wanted);
  const found = await client.leaseState(wanted.id);
  if (found?.ttl === wanted.ttl && found.remaining > endingSeconds) {
    return { wanted, ttl: found.ttl, granted: false, remaining: found.remaining };
  }
  refuseForeignKeys(wanted, found, mayDelete);
  // Or the keeper would take the lease for lost.
  keeper.release(wanted.id);
  await client.revokeLease(wanted.id);
  await grantAgain(client, wanted);
  return freshlyGranted(client, wanted);
}

async function freshlyGranted(
  client: LeaseReader,
  wanted: Lease,
): Promise<LeaseOutcome & { readonly remaining: bigint }> {
  const ttl = await grantedTtl(client, wanted);
  return { wanted, ttl, granted: true, remaining: ttl };
}

/** A lease that is just ending cannot be granted until the leader has removed it. */
async function grantAgain(client: Leases, wanted: Lease): Promise<void> {
  for (let tries = 0; tries < 50; tries += 1) {
    if ((await client.grantLease(wanted)) === 'granted') return;
    await sleep(200);
  }
  throw new FerryError({
    kind: 'failed',
    code: 'LEASE_NOT_GRANTED',
    message: `The target neither ends the lease ${formatId(wanted.id)} nor grants it anew.`,
    hint: 'Look at the health of the target, etcdctl endpoint health --cluster, and run this again.',
  });
}

async function grantedTtl(client: LeaseReader, wanted: Lease): Promise<bigint> {
  if (wanted.ttl >= longestRaisedTtl) return wanted.ttl;
  return (await client.leaseState(wanted.id))?.ttl ?? wanted.ttl;
}

/** Throws when ending the lease would delete a key that is none of ours. */
export function refuseForeignKeys(
  wanted: Lease,
  found: LeaseState | undefined,
  mayDelete: (key: Buffer) => boolean,
): void {
  const foreign = (found?.keys ?? []).filter((key) => !mayDelete(key));
  if (foreign.length === 0) return;
  throw new FerryError({
    kind: 'refused',
    code: 'LEASE_TAKEN',
    message: `The lease ${formatId(wanted.id)} exists on the target with a TTL of ${found!.ttl} s instead of ${wanted.ttl} s, and holds ${showKeys(foreign)}.`,
    hint: 'Restore into an etcd that no other program uses, or end that lease with etcdctl lease revoke.',
  });
}
