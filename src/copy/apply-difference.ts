import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatCount, formatCounted } from '../core/units.js';
import type { Kv, KvReader } from '../etcd/facets/kv.js';
import type { LeaseKeeper, Leases } from '../etcd/facets/leases.js';
import type { Lease, LeaseId, Revision, StoreEntry } from '../store/view.js';
import { readAlongside } from './alongside.js';
import { forEachConcurrently } from '../core/concurrently.js';
import { listKeys, type Difference, type KeyListing } from './difference.js';
import { showKeys } from '../sensu/keys/key-name.js';
import { isInPart, isThere } from './load-plan.js';
import { leaseOf, leasesById, type Part } from './part.js';
import { ensureLeases, existingLeases, type LeaseOutcome } from './target-leases.js';
import { after } from './transaction.js';
import { TransactionWriter } from './transaction-writer.js';

const runsReadAtOnce = 16;

export interface AppliedDifference {
  readonly put: number;
  readonly deleted: number;
  readonly leases: readonly LeaseOutcome[];
  /** Leases that had ended on the target although they were held, and were brought back with their keys. */
  readonly recovered: number;
  /** Of the target, with the whole difference in it: `verifyCopy` at this revision proves the rest. */
  readonly revision: Revision;
  readonly milliseconds: number;
}

/**
 * Takes a target that holds the older state of a difference to the newer one, and proves it by reading back
 * each changed key and the number of keys. The work grows with the difference, not with the store. Can be run
 * again after a failure.
 * @throws FerryError DIFFERENCE_NOT_APPLIED (`integrity`) or what etcd answers
 */
export async function applyDifference(
  context: Context,
  client: Kv & Leases,
  now: KeyListing,
  difference: Difference,
  keeper: LeaseKeeper,
): Promise<AppliedDifference> {
  const startedAt = performance.now();
  const application = new Application(context, client, now, difference, keeper, await leasesById(now));
  const result = await application.run();
  const revision = await proveDifference(context, client, now, difference);
  return { ...result, revision, milliseconds: performance.now() - startedAt };
}

class Application {
  readonly #client: Leases;
  readonly #now: KeyListing;
  readonly #difference: Difference;
  readonly #keeper: LeaseKeeper;
  readonly #leases: ReadonlyMap<LeaseId, Lease>;
  readonly #writer: TransactionWriter;

  constructor(
    context: Context,
    client: Kv & Leases,
    now: KeyListing,
    difference: Difference,
    keeper: LeaseKeeper,
    leases: ReadonlyMap<LeaseId, Lease>,
  ) {
    this.#client = client;
    this.#now = now;
    this.#difference = difference;
    this.#keeper = keeper;
    this.#leases = leases;
    this.#writer = new TransactionWriter(client, { signal: context.signal });
  }

  /**
   * The order matters: ending a lease deletes the keys that are bound to it on the target, so a key that has
   * moved away is put before its old lease ends, and a key of a lease that is granted anew after that.
   */
  async run(): Promise<Omit<AppliedDifference, 'revision' | 'milliseconds'>> {
    const { leases, replacedLeases, newLeases, endedLeases } = this.#difference;
    const concerned = [...leases.map(({ id }) => id), ...endedLeases];
    const onTarget = await existingLeases(this.#client, concerned);
    const replaced = new Set(replacedLeases.map(({ id }) => id));
    const created = new Set(newLeases.map(({ id }) => id));
    const missing = leases.filter(({ id }) => !onTarget.has(id) && !replaced.has(id) && !created.has(id));
    // Renewed at once: a run that was cut off has not held them.
    for (const lease of leases) if (onTarget.has(lease.id)) this.#keeper.hold(lease, 0n);
    const outcomes = [...(await this.#ensure([...newLeases, ...missing]))];
    try {
      await this.#putChanged(replaced);
      await this.#deleteGone();
      await this.#endLeases(onTarget);
      outcomes.push(...(await this.#ensure(replacedLeases)));
      const lost = missing.map(({ id }) => id);
      await this.#putKeysOf(new Set([...replaced, ...lost]));
      return {
        put: this.#difference.put,
        deleted: this.#difference.deleted.length,
        leases: outcomes,
        recovered: lost.length,
      };
    } finally {
      await this.#writer.settle();
    }
  }

  #ensure(leases: readonly Lease[]): Promise<readonly LeaseOutcome[]> {
    const part: Part = { range: this.#difference.range, ephemeral: true };
    return ensureLeases(this.#client, leases, this.#keeper, (key) => isInPart(key, part));
  }

  async #putChanged(later: ReadonlySet<LeaseId>): Promise<void> {
    for (const { range } of this.#difference.runs) {
      for await (const batch of this.#now.entries(range)) {
        for (const entry of batch) {
          if (entry.modRevision <= this.#difference.since) continue;
          if (entry.lease === undefined || !later.has(entry.lease)) await this.#put(entry);
        }
      }
    }
    await this.#writer.drain();
  }

  async #deleteGone(): Promise<void> {
    for (const key of this.#difference.deleted) await this.#writer.write({ type: 'delete', key });
    await this.#writer.drain();
  }

  async #endLeases(onTarget: ReadonlySet<LeaseId>): Promise<void> {
    const ended = this.#difference.endedLeases.filter((id) => onTarget.has(id));
    await forEachConcurrently(ended, runsReadAtOnce, async (id) => {
      this.#keeper.release(id);
      await this.#client.revokeLease(id);
    });
  }

  /** Keys of leases that are new on the target, changed or not: with the old lease the target lost them. */
  async #putKeysOf(leases: ReadonlySet<LeaseId>): Promise<void> {
    if (leases.size === 0) return;
    for await (const batch of listKeys(this.#now, this.#difference.range)) {
      for (const { key, lease } of batch) {
        if (lease === undefined || !leases.has(lease)) continue;
        for await (const entries of this.#now.entries({ start: key, end: after(key) })) {
          for (const entry of entries) await this.#put(entry);
        }
      }
    }
    await this.#writer.drain();
  }

  #put(entry: StoreEntry): Promise<void> {
    const lease = leaseOf(entry, this.#leases)?.id;
    return this.#writer.write({ type: 'put', key: entry.key, value: entry.value, lease });
  }
}

/** Reads back what was written, and counts the keys: what is left over or lost would show there. */
async function proveDifference(
  context: Context,
  client: KvReader,
  now: KeyListing,
  difference: Difference,
): Promise<Revision> {
  const { count, revision } = await client.range({ ...difference.range, countOnly: true });
  const leases = await leasesById(now);
  const wrong: Buffer[] = [];
  await forEachConcurrently(difference.runs, runsReadAtOnce, async ({ range }) => {
    const part: Part = { range, ephemeral: true };
    const reading = { source: now, client, part, revision, signal: context.signal };
    for await (const pairs of readAlongside(reading)) {
      for (const { key, left, right } of pairs) {
        if (left === undefined || !isThere(left, right, leases)) wrong.push(key);
      }
    }
  });
  if (wrong.length > 0)
    throw notApplied(`${formatCounted(wrong.length, 'key differs', 'keys differ')}: ${showKeys(wrong)}`);
  if (count !== BigInt(difference.keys)) {
    throw notApplied(`it holds ${formatCounted(count, 'key')} instead of ${formatCount(difference.keys)}`);
  }
  return revision;
}

function notApplied(what: string): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'DIFFERENCE_NOT_APPLIED',
    message: `The target does not hold the stopped store: ${what}.`,
    hint: 'Make sure that nothing else writes to the target; do not start a backend on it as it is.',
  });
}
