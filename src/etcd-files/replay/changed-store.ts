import { isSingleKey } from '../mvcc/key-range.js';
import type { DbStore } from '../mvcc/store-file.js';
import type { KeyHead, KeyRange, LeaseId, Revision, StoreEntry } from '../../store/types.js';

/** What a replay has made of one key. */
interface ChangedKey {
  readonly key: Buffer;
  /** Undefined once the key is deleted. */
  entry: StoreEntry | undefined;
}

/** A revision that a replay has added to a store. */
export interface StoreWrite {
  readonly main: bigint;
  /** Place within the revision's transaction, from 0. */
  readonly sub: bigint;
  readonly key: Buffer;
  /** Undefined for a deletion. */
  readonly entry: StoreEntry | undefined;
}

const mostKeys = 1000;
const mostBytes = 1024 * 1024;

/**
 * A store on disk and, above it in memory, the keys that a replay has changed. Memory is that of the changes;
 * a key that is not among them is looked up on disk.
 */
export class ChangedStore {
  readonly #base: DbStore;
  /** By key, as latin1: a string for each byte sequence, unlike utf8. */
  readonly #changes = new Map<string, ChangedKey>();
  /** Those of them that were in order when a range was last asked for, and those that came since. */
  #sorted: readonly ChangedKey[] = [];
  #unsorted: ChangedKey[] = [];
  readonly #writes: StoreWrite[] = [];
  #keyDifference = 0;

  constructor(base: DbStore) {
    this.#base = base;
  }

  /** In the order in which etcd writes them. */
  get writes(): readonly StoreWrite[] {
    return this.#writes;
  }

  /** Live keys now less live keys on disk. */
  get keyDifference(): number {
    return this.#keyDifference;
  }

  get(key: Buffer): StoreEntry | undefined {
    const changed = this.#changes.get(key.toString('latin1'));
    return changed ? changed.entry : this.#base.entry(key);
  }

  set(entry: StoreEntry): void {
    this.#change(entry.key, entry, entry.modRevision);
  }

  delete(key: Buffer, revision: bigint): void {
    this.#change(key, undefined, revision);
  }

  #change(key: Buffer, entry: StoreEntry | undefined, main: bigint): void {
    const change = this.#changeOf(key);
    this.#keyDifference += Number(entry !== undefined) - Number(change.entry !== undefined);
    change.entry = entry;
    const last = this.#writes.at(-1);
    this.#writes.push({ main, sub: last?.main === main ? last.sub + 1n : 0n, key, entry });
  }

  /** As it was so far, for the caller to change. */
  #changeOf(key: Buffer): ChangedKey {
    const name = key.toString('latin1');
    const known = this.#changes.get(name);
    if (known) return known;
    const change = { key, entry: this.#base.entry(key) };
    this.#changes.set(name, change);
    this.#unsorted.push(change);
    return change;
  }

  /** Live keys of the store on disk that have one of these leases, whatever the replay has made of them. */
  baseKeysOfLeases(leases: ReadonlySet<bigint>): Map<bigint, Buffer[]> {
    const found = new Map<bigint, Buffer[]>();
    for (const batch of this.#base.keys()) {
      for (const { key, lease } of batch) {
        if (lease === undefined || !leases.has(lease)) continue;
        const keys = found.get(lease);
        if (keys) keys.push(key);
        else found.set(lease, [key]);
      }
    }
    return found;
  }

  /** Changed keys that live and have the lease. */
  changedKeysOfLease(lease: bigint): Buffer[] {
    const found: Buffer[] = [];
    for (const { key, entry } of this.#changes.values()) if (entry?.lease === lease) found.push(key);
    return found;
  }

  *keys(range?: KeyRange): Generator<readonly KeyHead[], void, undefined> {
    if (range && isSingleKey(range)) {
      const entry = this.get(range.start);
      if (entry) yield [headOf(entry)];
      return;
    }
    yield* this.#merge(range, this.#base.keys(range), headOf, () => 0);
  }

  *entries(range?: KeyRange): Generator<readonly StoreEntry[], void, undefined> {
    if (range && isSingleKey(range)) {
      const entry = this.get(range.start);
      if (entry) yield [entry];
      return;
    }
    const lengthOf = (entry: StoreEntry): number => entry.key.length + entry.value.length;
    yield* this.#merge(range, this.#base.entries(range), (entry) => entry, lengthOf);
  }

  /** Both in key order; where both have a key, the changed one counts. */
  *#merge<T extends { readonly key: Buffer }>(
    range: KeyRange | undefined,
    base: Iterable<readonly T[]>,
    view: (entry: StoreEntry) => T,
    lengthOf: (item: T) => number,
  ): Generator<readonly T[], void, undefined> {
    const changes = this.#sortedChanges();
    let next = range ? firstFrom(changes, range.start) : 0;
    const stop = range?.end ? firstFrom(changes, range.end) : changes.length;
    const batches = new Batches<T>(lengthOf);
    for (const batch of base) {
      for (const item of batch) {
        let hidden = false;
        while (next < stop) {
          const order = Buffer.compare(changes[next]!.key, item.key);
          if (order > 0) break;
          hidden = order === 0;
          const { entry } = changes[next++]!;
          if (entry) yield* batches.add(view(entry));
          if (hidden) break;
        }
        if (!hidden) yield* batches.add(item);
      }
    }
    for (; next < stop; next++) {
      const { entry } = changes[next]!;
      if (entry) yield* batches.add(view(entry));
    }
    yield* batches.rest();
  }

  /** Few are new between one range and the next, and the old ones in order: such a list sorts in one pass. */
  #sortedChanges(): readonly ChangedKey[] {
    if (this.#unsorted.length > 0) {
      this.#sorted = [...this.#sorted, ...this.#unsorted].sort((a, b) => Buffer.compare(a.key, b.key));
      this.#unsorted = [];
    }
    return this.#sorted;
  }
}

function headOf({ key, modRevision, lease }: StoreEntry): KeyHead {
  return { key, modRevision, lease };
}

/** The first change whose key is not less than `key`. */
function firstFrom(changes: readonly ChangedKey[], key: Buffer): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (Buffer.compare(changes[middle]!.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Gathers items into batches of bounded size. */
class Batches<T> {
  #items: T[] = [];
  #length = 0;
  readonly #lengthOf: (item: T) => number;

  constructor(lengthOf: (item: T) => number) {
    this.#lengthOf = lengthOf;
  }

  *add(item: T): Generator<readonly T[], void, undefined> {
    const length = this.#lengthOf(item);
    if (this.#items.length === mostKeys || (this.#items.length > 0 && this.#length + length > mostBytes)) {
      yield* this.rest();
    }
    this.#items.push(item);
    this.#length += length;
  }

  *rest(): Generator<readonly T[], void, undefined> {
    if (this.#items.length > 0) yield this.#items;
    this.#items = [];
    this.#length = 0;
  }
}

/** A key as a put makes it, above what was there before. */
export function putEntry(
  before: StoreEntry | undefined,
  key: Buffer,
  value: Buffer,
  lease: bigint,
  revision: bigint,
): StoreEntry {
  return {
    key,
    value,
    createRevision: before ? before.createRevision : (revision as Revision),
    modRevision: revision as Revision,
    version: before ? before.version + 1n : 1n,
    lease: lease === 0n ? undefined : (lease as LeaseId),
  };
}
