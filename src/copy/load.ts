import type { Context } from '../core/context.js';
import type { Kv } from '../etcd/facets/kv.js';
import type { LeaseKeeper, Leases } from '../etcd/facets/leases.js';
import { FerryError } from '../core/errors.js';
import { clusterIdKey, singleKey } from '../store/sensu-root.js';
import type { Lease, LeaseId, Revision, StoreEntry, StoreView } from '../store/view.js';
import { readAlongside } from './alongside.js';
import { isConflict, isInPart, isThere, targetNotEmpty, type LoadPlan } from './load-plan.js';
import type { KeyPair } from '../store/merge-by-key.js';
import { hasEveryLease, leaseOf, leasesById, selectEntries } from './part.js';
import { ensureLeases, type LeaseOutcome } from './target-leases.js';
import { TransactionWriter } from './transaction-writer.js';

/** Ephemeral keys up to this many bytes wait in memory for their leases; of more, the source is read again. */
const keptBytes = 8 * 1024 * 1024;

export interface LoadResult {
  /** Keys put; those that were there already are not put again. */
  readonly written: number;
  /** Keys that the target had and the source has not; only with `existing: 'replace'`. */
  readonly deleted: number;
  readonly leases: readonly LeaseOutcome[];
  readonly milliseconds: number;
}

/**
 * Loads the planned part of a store into a running etcd. Lasting keys come first; the leases are granted, with
 * their ids, and the keys bound to them put only then: a lease of ten seconds must not end while a large
 * store is loaded. The cluster id is put before everything else, so that a target which is left half loaded tells
 * whose store it holds. From its grant on the keeper holds each lease; the caller releases them when somebody else
 * has taken over, and not before the copy is verified.
 *
 * Can be run again after any failure: it then writes what is missing.
 * @throws FerryError TARGET_NOT_EMPTY, TARGET_CHANGED, VALUE_TOO_LARGE, LEASE_TAKEN (`refused`) or what etcd answers
 */
export async function applyLoad(
  context: Context,
  client: Kv & Leases,
  source: StoreView,
  plan: LoadPlan,
  keeper: LeaseKeeper,
): Promise<LoadResult> {
  const startedAt = performance.now();
  const load = new Load(context, client, source, plan, keeper, await leasesById(source));
  await load.lastingKeys();
  const leases = await load.ephemeralKeys();
  return { ...load.counts(), leases, milliseconds: performance.now() - startedAt };
}

/** How often ephemeral keys are put, should leases end before or after. */
const leaseRounds = 4;

function isLeaseGone(error: unknown): boolean {
  return error instanceof FerryError && error.code === 'LEASE_NOT_FOUND';
}

type Pairs = AsyncIterable<readonly KeyPair<StoreEntry, StoreEntry>[]>;

class Load {
  readonly #context: Context;
  readonly #client: Kv & Leases;
  readonly #source: StoreView;
  readonly #plan: LoadPlan;
  readonly #keeper: LeaseKeeper;
  readonly #leases: ReadonlyMap<LeaseId, Lease>;
  #writer: TransactionWriter;
  readonly #needed = new Map<LeaseId, Lease>();
  /** Undefined once there are too many, or when the target must be looked at again. */
  #kept: StoreEntry[] | undefined;
  #keptBytes = 0;
  #written = 0;
  #deleted = 0;
  #isNamed = false;
  #progress: number;

  constructor(
    context: Context,
    client: Kv & Leases,
    source: StoreView,
    plan: LoadPlan,
    keeper: LeaseKeeper,
    leases: ReadonlyMap<LeaseId, Lease>,
  ) {
    this.#context = context;
    this.#client = client;
    this.#source = source;
    this.#plan = plan;
    this.#keeper = keeper;
    this.#leases = leases;
    this.#kept = plan.onTarget === 0 ? [] : undefined;
    this.#progress = plan.alreadyThere;
    this.#writer = this.#newWriter();
    if (hasEveryLease(plan.part)) for (const lease of leases.values()) this.#needed.set(lease.id, lease);
  }

  #newWriter(): TransactionWriter {
    return new TransactionWriter(this.#client, {
      signal: this.#context.signal,
      onWritten: (writes) => {
        this.#written += writes;
        this.#reportProgress(writes);
      },
    });
  }

  counts(): { readonly written: number; readonly deleted: number } {
    return { written: this.#written - this.#deleted, deleted: this.#deleted };
  }

  async lastingKeys(): Promise<void> {
    await this.#writing(async () => {
      await this.#nameStore();
      for await (const pairs of this.#pairs()) {
        for (const pair of pairs) await this.#loadLasting(pair);
      }
    });
  }

  async ephemeralKeys(): Promise<readonly LeaseOutcome[]> {
    for (let round = 1; ; round += 1) {
      const outcomes = await this.#grantLeases();
      const done = await this.#tryEphemeral(round < leaseRounds);
      if (done || round === leaseRounds) return outcomes;
      // A lease that ended although it was held took its keys with it: both are brought back.
      this.#kept = undefined;
    }
  }

  /** False when a lease ended before all its keys were put, or after. */
  async #tryEphemeral(mayRepeat: boolean): Promise<boolean> {
    try {
      await this.#writing(() => this.#loadEphemeral());
    } catch (error) {
      if (!mayRepeat || !isLeaseGone(error)) throw error;
      this.#writer = this.#newWriter();
      return false;
    }
    return !this.#hasLostLease();
  }

  #hasLostLease(): boolean {
    return [...this.#keeper.lost].some((id) => this.#needed.has(id));
  }

  async #writing(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      await this.#writer.drain();
    } finally {
      await this.#writer.settle();
    }
  }

  async #nameStore(): Promise<void> {
    const { part, onTarget } = this.#plan;
    if (onTarget > 0 || !isInPart(clusterIdKey, part)) return;
    for await (const [entry] of this.#source.entries(singleKey(clusterIdKey))) {
      if (entry === undefined || leaseOf(entry, this.#leases) !== undefined) continue;
      await this.#put({ right: undefined }, entry);
      this.#isNamed = true;
    }
    await this.#writer.drain();
  }

  /** The keys of the part, beside what the target holds of them now; a fresh target is not asked. */
  #pairs(): Pairs {
    if (this.#kept !== undefined) return this.#sourceAlone();
    return readAlongside({
      source: this.#source,
      client: this.#client,
      part: this.#plan.part,
      signal: this.#context.signal,
    });
  }

  async *#sourceAlone(): Pairs {
    const { part } = this.#plan;
    for await (const batch of this.#source.entries(part.range)) {
      yield selectEntries(batch, part, (entry) => leaseOf(entry, this.#leases) !== undefined).map(
        (entry) => ({ key: entry.key, left: entry, right: undefined }),
      );
    }
  }

  async #loadLasting(pair: KeyPair<StoreEntry, StoreEntry>): Promise<void> {
    const { key, left: entry, right: found } = pair;
    if (this.#isNamed && key.equals(clusterIdKey)) {
      // Keys before and after it must not be guarded as one vacant range.
      await this.#writer.endTransaction();
      return;
    }
    if (this.#plan.existing === 'refuse' && isConflict(pair)) throw targetNotEmpty([key], 1);
    if (entry === undefined) {
      this.#deleted += 1;
      await this.#writer.write({ type: 'delete', key }, found!.modRevision);
      return;
    }
    const lease = leaseOf(entry, this.#leases);
    if (lease !== undefined) this.#keep(entry, lease);
    else if (!isThere(entry, found, this.#leases)) await this.#putLasting(pair, entry);
  }

  #keep(entry: StoreEntry, lease: Lease): void {
    this.#needed.set(lease.id, lease);
    this.#keptBytes += entry.key.length + entry.value.length;
    if (this.#keptBytes > keptBytes) this.#kept = undefined;
    else this.#kept?.push(entry);
  }

  #grantLeases(): Promise<readonly LeaseOutcome[]> {
    return ensureLeases(this.#client, this.#needed.values(), this.#keeper, (key) =>
      isInPart(key, this.#plan.part),
    );
  }

  async #loadEphemeral(): Promise<void> {
    if (this.#kept !== undefined) {
      for (const entry of this.#kept) await this.#put({ right: undefined }, entry);
      return;
    }
    for await (const pairs of this.#pairs()) {
      for (const pair of pairs) {
        const entry = pair.left;
        if (entry === undefined || leaseOf(entry, this.#leases) === undefined) continue;
        if (!isThere(entry, pair.right, this.#leases)) await this.#put(pair, entry);
      }
    }
  }

  /** They come in key order and alone, so that on a fresh target whole transactions are guarded at once. */
  #putLasting(pair: KeyPair<StoreEntry, StoreEntry>, entry: StoreEntry): Promise<void> {
    const { key, value } = entry;
    if (this.#plan.onTarget > 0) return this.#put(pair, entry);
    return this.#writer.write({ type: 'put', key, value }, 'vacant');
  }

  #put({ right }: Pick<KeyPair<never, StoreEntry>, 'right'>, entry: StoreEntry): Promise<void> {
    const lease = leaseOf(entry, this.#leases)?.id;
    const guard = right?.modRevision ?? (0n as Revision);
    return this.#writer.write({ type: 'put', key: entry.key, value: entry.value, lease }, guard);
  }

  #reportProgress(writes: number): void {
    this.#progress += writes;
    const { keys } = this.#plan.source;
    this.#context.report.progress({
      task: 'Loading',
      unit: 'keys',
      done: Math.min(this.#progress, keys),
      total: keys,
    });
  }
}
