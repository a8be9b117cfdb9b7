import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatCount } from '../core/units.js';
import type { Alarms } from '../etcd/facets/maintenance.js';
import type { LeaseReader } from '../etcd/facets/leases.js';
import type { Kv } from '../etcd/facets/kv.js';
import type { Lease, LeaseId, StoreEntry, StoreView } from '../store/view.js';
import { readAlongside } from './alongside.js';
import { showKey, showKeys } from '../sensu/keys/key-name.js';
import type { KeyPair } from '../store/merge-by-key.js';
import { hasEveryLease, leaseOf, leasesById, selectEntries, wholeStore, type Part } from './part.js';
import { valueTooLarge } from './transaction.js';
import { existingLeases, readLeases, refuseForeignKeys } from './target-leases.js';

export interface LoadOptions {
  /** Default: everything under the Sensu root. */
  readonly part?: Part;
  /**
   * What becomes of keys of the part that the target holds and the source does not, or with another value.
   * `refuse` (default): nothing is written. `replace`: the target is made equal to the source. That is for a
   * target that is known to hold an older state of the same store, such as an interrupted migration's.
   */
  readonly existing?: 'refuse' | 'replace';
}

/** What the part of the source holds. */
interface SourceTally {
  readonly keys: number;
  readonly ephemeralKeys: number;
  /** Of keys and values. */
  readonly bytes: number;
  readonly leases: number;
  /** Undefined for an empty part. */
  readonly largest: { readonly key: string; readonly bytes: number } | undefined;
}

export interface LoadPlan {
  readonly part: Part;
  readonly existing: 'refuse' | 'replace';
  readonly source: SourceTally;
  /** Keys of the part that the target holds already as they should be. */
  readonly alreadyThere: number;
  /** Keys of the part that the target holds, whatever their values. 0 for a fresh target. */
  readonly onTarget: number;
}

/**
 * Looks at source and target and writes nothing.
 * @throws FerryError TARGET_NOT_EMPTY, LEASE_TAKEN, TARGET_ALARM, VALUE_TOO_LARGE (all `refused`)
 */
export async function planLoad(
  context: Context,
  client: Kv & LeaseReader & Alarms,
  source: StoreView,
  options: LoadOptions = {},
): Promise<LoadPlan> {
  const { part = wholeStore, existing = 'refuse' } = options;
  await refuseAlarms(client);
  const found = await client.range({ ...part.range, countOnly: true });
  const leases = await leasesById(source);
  const tally = new Tally(leases);
  const comparison = new Comparison(leases);
  if (found.count === 0n) {
    await tally.addAll(context, source, part);
  } else {
    const reading = { source, client, part, signal: context.signal };
    for await (const pairs of readAlongside(reading)) {
      tally.add(pairs.flatMap(({ left }) => left ?? []));
      comparison.add(pairs);
    }
    if (existing === 'refuse') comparison.refuseConflicts();
  }
  await refuseTakenLeases(client, leases, part);
  const tallied = tally.finish(part);
  if (comparison.alreadyThere < tallied.keys) await refuseTooLarge(client, tally.largestEntry);
  return {
    part,
    existing,
    source: tallied,
    alreadyThere: comparison.alreadyThere,
    onTarget: comparison.onTarget,
  };
}

async function refuseAlarms(client: Alarms): Promise<void> {
  const alarms = await client.alarms();
  if (alarms.length === 0) return;
  const types = [...new Set(alarms.map((alarm) => alarm.type))].join(' and ');
  throw new FerryError({
    kind: 'refused',
    code: 'TARGET_ALARM',
    message: `The target has raised the alarm ${types} and takes no writes.`,
    hint: alarms.some((alarm) => alarm.type === 'CORRUPT')
      ? 'Its members disagree about their data: replace the corrupt member before anything is restored.'
      : 'Raise --quota-backend-bytes or compact and defragment every member, then run etcdctl alarm disarm.',
  });
}

/** A lease of ours that the target has with another TTL will be ended: that must not cost it foreign keys. */
async function refuseTakenLeases(
  client: LeaseReader,
  leases: ReadonlyMap<LeaseId, Lease>,
  part: Part,
): Promise<void> {
  const taken = await existingLeases(client, leases.keys());
  for (const [id, state] of await readLeases(client, taken)) {
    const wanted = leases.get(id)!;
    if (state.ttl !== wanted.ttl) refuseForeignKeys(wanted, state, (key) => isInPart(key, part));
  }
}

/** etcd shows its limit nowhere, and a store must not be half loaded when a value above it comes up. */
async function refuseTooLarge(client: Kv, largest: StoreEntry | undefined): Promise<void> {
  if (largest === undefined) return;
  const { key, value } = largest;
  if (await client.takes({ type: 'put', key, value })) return;
  throw valueTooLarge(largest, 'then run this again');
}

/** Whether the part would take the key, as far as the key tells. */
export function isInPart(key: Buffer, { range, includes }: Part): boolean {
  if (key.compare(range.start) < 0) return false;
  if (range.end !== undefined && key.compare(range.end) >= 0) return false;
  return includes === undefined || includes(key);
}

/** True when the target holds the key as the source has it, bound to the same lease. */
export function isThere(
  entry: StoreEntry,
  found: StoreEntry | undefined,
  leases: ReadonlyMap<LeaseId, Lease>,
): boolean {
  return found?.lease === leaseOf(entry, leases)?.id && found?.value.equals(entry.value) === true;
}

/**
 * True when the key shows that the target holds something else than a part of the source. A lease that
 * differs does not: a copy made by etcdctl make-mirror has none.
 */
export function isConflict({ left, right }: KeyPair<StoreEntry, StoreEntry>): boolean {
  return right !== undefined && (left === undefined || !left.value.equals(right.value));
}

export function targetNotEmpty(conflicts: readonly Buffer[], total: number, onTarget?: number): FerryError {
  const ofAll =
    onTarget === undefined
      ? ''
      : ` (${formatCount(total)} of the ${formatCount(onTarget)} that it has there)`;
  return new FerryError({
    kind: 'refused',
    code: 'TARGET_NOT_EMPTY',
    message: `The target already holds keys of another store, or of another state of this one: ${showKeys(conflicts, total)}${ofAll}.`,
    hint: 'Restore into an empty etcd. A restore that was interrupted goes on only from the same file.',
  });
}

class Tally {
  readonly #leases: ReadonlyMap<LeaseId, Lease>;
  readonly #held = new Set<LeaseId>();
  #keys = 0;
  #ephemeralKeys = 0;
  #bytes = 0;
  largestEntry: StoreEntry | undefined;

  constructor(leases: ReadonlyMap<LeaseId, Lease>) {
    this.#leases = leases;
  }

  async addAll(context: Context, source: StoreView, part: Part): Promise<void> {
    for await (const batch of source.entries(part.range)) {
      context.signal.throwIfAborted();
      this.add(selectEntries(batch, part, (entry) => leaseOf(entry, this.#leases) !== undefined));
    }
  }

  add(entries: readonly StoreEntry[]): void {
    for (const entry of entries) {
      const lease = leaseOf(entry, this.#leases);
      if (lease !== undefined) {
        this.#ephemeralKeys += 1;
        this.#held.add(lease.id);
      }
      this.#keys += 1;
      this.#bytes += entry.key.length + entry.value.length;
      if (this.largestEntry === undefined || entry.value.length > this.largestEntry.value.length) {
        this.largestEntry = entry;
      }
    }
  }

  finish(part: Part): SourceTally {
    const largest = this.largestEntry;
    return {
      keys: this.#keys,
      ephemeralKeys: this.#ephemeralKeys,
      bytes: this.#bytes,
      leases: hasEveryLease(part) ? this.#leases.size : this.#held.size,
      largest: largest && { key: showKey(largest.key), bytes: largest.value.length },
    };
  }
}

class Comparison {
  alreadyThere = 0;
  onTarget = 0;
  readonly #leases: ReadonlyMap<LeaseId, Lease>;
  readonly #conflicts: Buffer[] = [];
  #conflictCount = 0;

  constructor(leases: ReadonlyMap<LeaseId, Lease>) {
    this.#leases = leases;
  }

  add(pairs: readonly KeyPair<StoreEntry, StoreEntry>[]): void {
    for (const pair of pairs) {
      if (pair.right === undefined) continue;
      this.onTarget += 1;
      if (pair.left !== undefined && isThere(pair.left, pair.right, this.#leases)) this.alreadyThere += 1;
      if (isConflict(pair)) {
        this.#conflictCount += 1;
        if (this.#conflicts.length < 3) this.#conflicts.push(pair.key);
      }
    }
  }

  refuseConflicts(): void {
    if (this.#conflictCount > 0) {
      throw targetNotEmpty(this.#conflicts, this.#conflictCount, this.onTarget);
    }
  }
}
