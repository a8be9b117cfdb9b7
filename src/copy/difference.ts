import { setImmediate } from 'node:timers/promises';
import { FerryError } from '../core/errors.js';
import { asFerryError } from '../at-rest/store-view.js';
import { sensuRoot } from '../store/sensu-root.js';
import type { KeyRange, Lease, LeaseId, Revision, StoreEntry, StoreView } from '../store/view.js';
import { showKey } from '../sensu/keys/key-name.js';
import { leasesById } from './part.js';
import { after } from './transaction.js';

/** What is known of a key without its value. */
export type KeyState = Pick<StoreEntry, 'key' | 'modRevision' | 'lease'>;

/** A store whose keys can be listed; cheaply, where it lies in a file that lists them without their values. */
export interface KeyListing extends StoreView {
  readonly path?: string;
  readonly file?: {
    keys(range: KeyRange): Iterable<readonly KeyState[]>;
    /** Reads the file for the listing, in steps. */
    indexing?(): Iterator<unknown>;
  };
}

/** Neighbouring keys of which most have changed, so that they are read in one go. */
interface ChangedRun {
  readonly range: Required<KeyRange>;
  /** Keys of the run that have changed; others of it have not. */
  readonly changed: number;
}

/**
 * What became of a store between two of its revisions. It holds keys, not values: those are read from the
 * newer view when the difference is applied. Every key of the newer view that was written after `since` has
 * changed, and no other.
 */
export interface Difference {
  /** Revision of the older view. */
  readonly since: Revision;
  /** Revision of the newer view. */
  readonly until: Revision;
  readonly range: KeyRange;
  readonly runs: readonly ChangedRun[];
  /** Keys in the runs that were put. */
  readonly put: number;
  readonly deleted: readonly Buffer[];
  /** All leases of the newer view. */
  readonly leases: readonly Lease[];
  readonly endedLeases: readonly LeaseId[];
  /** Leases whose id was granted again with another TTL. */
  readonly replacedLeases: readonly Lease[];
  readonly newLeases: readonly Lease[];
  /** Keys of the newer view in the range. */
  readonly keys: number;
}

/**
 * Unchanged keys between two changed ones that are rather read too than made a gap of: a request of its own
 * was measured to cost as much as reading 44 keys more.
 */
const smallGap = 40;

/**
 * Finds what changed between two states of one store: a snapshot that was loaded, and the stopped data
 * directory that it was taken of. Both are listed once, in key order; nothing else is read.
 * @throws FerryError NOT_THE_SAME_STORE (`integrity`) when the newer view is no later state of the older one
 */
export async function planDifference(
  before: KeyListing,
  now: KeyListing,
  range: KeyRange = sensuRoot,
): Promise<Difference> {
  if (now.revision < before.revision) throw notTheSameStore(`is at revision ${now.revision}, before it`);
  const gathered = new Gathered(before.revision);
  await walkBoth(listKeys(before, range), listKeys(now, range), (left, right) => {
    gathered.add(left, right);
  });
  const leases = await now.leases();
  const former = await leasesById(before);
  const present = new Set(leases.map(({ id }) => id));
  return {
    since: before.revision,
    until: now.revision,
    range,
    ...gathered.finish(),
    leases,
    newLeases: leases.filter(({ id }) => !former.has(id)),
    replacedLeases: leases.filter(({ id, ttl }) => former.has(id) && former.get(id)!.ttl !== ttl),
    endedLeases: [...former.keys()].filter((id) => !present.has(id)),
  };
}

/** Keys in order, without values where the store can do so. */
export async function* listKeys(store: KeyListing, range: KeyRange): AsyncGenerator<readonly KeyState[]> {
  const { file } = store;
  if (file === undefined) {
    yield* store.entries(range);
    return;
  }
  try {
    const pause = new Pause();
    const indexing = file.indexing?.();
    while (indexing !== undefined && indexing.next().done !== true) await pause.ifDue();
    for (const batch of file.keys(range)) {
      yield batch;
      await pause.ifDue();
    }
  } catch (error) {
    throw asFerryError(error, store.path ?? 'The store');
  }
}

const longestWorkMs = 20;

/** Files are read without a pause; leases must be renewed meanwhile, and a signal must be heard. */
class Pause {
  #since = performance.now();

  async ifDue(): Promise<void> {
    if (performance.now() - this.#since < longestWorkMs) return;
    await setImmediate();
    this.#since = performance.now();
  }
}

/**
 * Calls `visit` for each key of either listing, in key order, with what each has of it. Written for speed: a
 * migration's downtime passes here with every key of the store.
 */
async function walkBoth(
  left: AsyncIterable<readonly KeyState[]>,
  right: AsyncIterable<readonly KeyState[]>,
  visit: (left: KeyState | undefined, right: KeyState | undefined) => void,
): Promise<void> {
  const a = new Cursor(left);
  const b = new Cursor(right);
  try {
    await a.fill();
    await b.fill();
    while (a.head !== undefined || b.head !== undefined) {
      const order = orderOf(a.head, b.head);
      visit(order <= 0 ? a.head : undefined, order >= 0 ? b.head : undefined);
      if (order <= 0 && !a.advance()) await a.fill();
      if (order >= 0 && !b.advance()) await b.fill();
    }
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}

/** Negative when only the first is there or comes before the second, 0 when both have one key. */
function orderOf(a: KeyState | undefined, b: KeyState | undefined): number {
  if (a === undefined) return 1;
  return b === undefined ? -1 : a.key.compare(b.key);
}

/** The place in a listing that a walk has come to. */
class Cursor {
  /** Undefined at the end. */
  head: KeyState | undefined;
  readonly #batches: AsyncIterator<readonly KeyState[]>;
  #batch: readonly KeyState[] = [];
  #at = 0;

  constructor(listing: AsyncIterable<readonly KeyState[]>) {
    this.#batches = listing[Symbol.asyncIterator]();
  }

  /** False at the end of a batch: the next one must be waited for. */
  advance(): boolean {
    this.head = this.#batch[++this.#at];
    return this.head !== undefined;
  }

  async fill(): Promise<void> {
    this.#at = 0;
    do {
      const next = await this.#batches.next();
      this.#batch = next.done === true ? [] : next.value;
      if (next.done === true) break;
    } while (this.#batch.length === 0);
    this.head = this.#batch[0];
  }

  async close(): Promise<void> {
    await this.#batches.return?.();
  }
}

interface OpenRun {
  readonly first: Buffer;
  last: Buffer;
  changed: number;
  unchangedSince: number;
}

class Gathered {
  readonly #since: Revision;
  readonly #runs: ChangedRun[] = [];
  readonly #deleted: Buffer[] = [];
  #put = 0;
  #keys = 0;
  #open: OpenRun | undefined;

  constructor(since: Revision) {
    this.#since = since;
  }

  /** At least one of both is there. */
  add(left: KeyState | undefined, right: KeyState | undefined): void {
    if (right === undefined) {
      this.#deleted.push(Buffer.from(left!.key));
      return;
    }
    this.#keys += 1;
    const changed = right.modRevision > this.#since;
    if (!changed && left?.modRevision !== right.modRevision) {
      throw notTheSameStore(`has another revision of ${showKey(right.key)}`);
    }
    if (changed) this.#addChanged(right.key);
    else if (this.#open !== undefined && ++this.#open.unchangedSince > smallGap) this.#closeRun();
  }

  finish(): Pick<Difference, 'runs' | 'deleted' | 'put' | 'keys'> {
    this.#closeRun();
    return { runs: this.#runs, deleted: this.#deleted, put: this.#put, keys: this.#keys };
  }

  /** The key is copied: a batch of keys may be one allocation, which a single kept key would keep alive. */
  #addChanged(key: Buffer): void {
    this.#put += 1;
    const last = Buffer.from(key);
    if (this.#open === undefined) {
      this.#open = { first: last, last, changed: 1, unchangedSince: 0 };
      return;
    }
    this.#open.last = last;
    this.#open.changed += 1;
    this.#open.unchangedSince = 0;
  }

  #closeRun(): void {
    if (this.#open === undefined) return;
    const { first, last, changed } = this.#open;
    this.#runs.push({ range: { start: first, end: after(last) }, changed });
    this.#open = undefined;
  }
}

function notTheSameStore(why: string): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'NOT_THE_SAME_STORE',
    message: `The store that was stopped is no later state of the snapshot that was loaded: it ${why}.`,
    hint: 'Check that the data directory is that of the backend the snapshot was taken of.',
  });
}
