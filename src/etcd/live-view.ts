import { FerryError } from '../core/errors.js';
import type { KeyRange, Lease, LeaseId, Revision, StoreEntry, StoreView } from '../store/view.js';
import { sensuRoot } from '../store/sensu-root.js';
import type { LeaseReader } from './facets/leases.js';
import type { KvReader, RangeRequest, RangeResult } from './facets/kv.js';

const mostKeysPerPage = 1000;
/** What a page is aimed at; etcd knows limits of keys only. */
const bytesPerPage = 2 * 1024 * 1024;
/** A first page can be larger than aimed at: what is handed on at a time stays near this. */
const bytesPerBatch = 1024 * 1024;
const leasesAtOnce = 64;

/**
 * A running etcd at one revision, which compaction may take away: reading then ends with STORE_COMPACTED.
 * Leases have no revisions; they are as they are when asked for.
 */
export async function openLiveView(client: KvReader & LeaseReader, pinned?: Revision): Promise<StoreView> {
  const revision = pinned ?? (await client.range({ ...sensuRoot, countOnly: true })).revision;
  return {
    revision,
    leases: () => readLeases(client, revision),
    entries: (range = { start: Buffer.from([0]) }) => readPages(client, range, revision),
  };
}

/** The next page is asked for while this one is used. */
async function* readPages(
  client: KvReader,
  range: KeyRange,
  revision: Revision,
): AsyncGenerator<readonly StoreEntry[]> {
  const pager = new Pager(client, range, revision);
  let pending: Promise<RangeResult> | undefined = pager.page(range.start);
  while (pending !== undefined) {
    const { entries, more }: RangeResult = await pending;
    const last = entries.at(-1);
    pending = more && last !== undefined ? pager.page(Buffer.concat([last.key, Buffer.of(0)])) : undefined;
    // When the reader stops early, the page that was asked for in advance has nobody to fail to.
    pending?.catch(() => undefined);
    yield* batchesOf(entries);
  }
}

/** Adapts the number of keys a page to the size of the values, which may be a few bytes or a megabyte. */
class Pager {
  readonly #client: KvReader;
  readonly #request: RangeRequest;
  #limit = mostKeysPerPage / 4;

  constructor(client: KvReader, range: KeyRange, revision: Revision) {
    this.#client = client;
    this.#request = { ...range, revision };
  }

  async page(start: Buffer): Promise<RangeResult> {
    for (;;) {
      try {
        const page = await this.#client.range({ ...this.#request, start, limit: this.#limit });
        this.#adapt(page.entries);
        return page;
      } catch (error) {
        const tooLarge = error instanceof FerryError && error.code === 'REQUEST_TOO_LARGE';
        if (!tooLarge || this.#limit === 1) throw error;
        this.#limit = Math.ceil(this.#limit / 8);
      }
    }
  }

  #adapt(entries: readonly StoreEntry[]): void {
    if (entries.length === 0) return;
    const fitting = Math.floor((bytesPerPage * entries.length) / (sizeOf(entries) + 1));
    // Grows step by step: small values may be followed by large ones.
    this.#limit = Math.max(1, Math.min(fitting, 4 * this.#limit, mostKeysPerPage));
  }
}

function* batchesOf(entries: readonly StoreEntry[]): Generator<readonly StoreEntry[]> {
  let batch: StoreEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    batch.push(entry);
    bytes += entry.key.length + entry.value.length;
    if (bytes < bytesPerBatch) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

function sizeOf(entries: readonly StoreEntry[]): number {
  return entries.reduce((bytes, { key, value }) => bytes + key.length + value.length, 0);
}

async function readLeases(client: KvReader & LeaseReader, revision: Revision): Promise<readonly Lease[]> {
  const leases: Lease[] = [];
  const ids = (await leaseIds(client, revision)).values();
  const worker = async (): Promise<void> => {
    for (const id of ids) {
      const state = await client.leaseState(id, { keys: false });
      if (state !== undefined) leases.push({ id, ttl: state.ttl });
    }
  };
  await Promise.all(Array.from({ length: leasesAtOnce }, worker));
  return leases;
}

/**
 * Since 3.5.30 etcd lists leases to those only who may read every key of every lease. Others still find the
 * leases of the Sensu keys on the keys, which 3.7 leaves out where the values are not asked for.
 */
async function leaseIds(client: KvReader & LeaseReader, revision: Revision): Promise<ReadonlySet<LeaseId>> {
  try {
    return new Set(await client.leaseIds());
  } catch (error) {
    if (!(error instanceof FerryError) || error.code !== 'ETCD_PERMISSION_DENIED') throw error;
    return leaseIdsOnKeys(client, revision);
  }
}

/** Reads the values, too: without them etcd 3.7 does not tell the leases. */
async function leaseIdsOnKeys(client: KvReader, revision: Revision): Promise<ReadonlySet<LeaseId>> {
  const ids = new Set<LeaseId>();
  for await (const entries of readPages(client, sensuRoot, revision)) {
    for (const { lease } of entries) if (lease !== undefined) ids.add(lease);
  }
  return ids;
}
