import { FerryError } from '../core/errors.js';
import type { KeyRange, Lease, LeaseId, Revision, StoreEntry, StoreView } from '../store/view.js';
import { sensuRoot } from '../store/sensu-root.js';
import type { EtcdClient, RangeRequest, RangeResult } from './client.js';

const keysPerPage = 1000;
const leasesAtOnce = 64;

/**
 * A running etcd at one revision, which compaction may take away: reading then ends with STORE_COMPACTED.
 * Leases have no revisions; they are as they are when asked for.
 */
export async function openLiveView(client: EtcdClient, pinned?: Revision): Promise<StoreView> {
  const revision = pinned ?? (await client.range({ ...sensuRoot, countOnly: true })).revision;
  return {
    revision,
    leases: () => readLeases(client),
    entries: (range = { start: Buffer.from([0]) }) => readPages(client, range, revision),
  };
}

/** Pages of bounded size, the next one asked for while this one is used. */
async function* readPages(
  client: EtcdClient,
  range: KeyRange,
  revision: Revision,
): AsyncGenerator<readonly StoreEntry[]> {
  let pending: Promise<RangeResult> | undefined = readPage(client, { ...range, revision });
  while (pending !== undefined) {
    const page: RangeResult = await pending;
    const last = page.entries.at(-1);
    pending =
      page.more && last !== undefined
        ? readPage(client, { ...range, start: Buffer.concat([last.key, Buffer.of(0)]), revision })
        : undefined;
    // When the reader stops early, the page that was asked for in advance has nobody to fail to.
    pending?.catch(() => undefined);
    if (page.entries.length > 0) yield page.entries;
  }
}

/** A page of large values can exceed what gRPC takes in: then fewer keys are asked for. */
async function readPage(
  client: EtcdClient,
  request: RangeRequest,
  limit = keysPerPage,
): Promise<RangeResult> {
  try {
    return await client.range({ ...request, limit });
  } catch (error) {
    const tooLarge = error instanceof FerryError && error.code === 'REQUEST_TOO_LARGE';
    if (!tooLarge || limit === 1) throw error;
    return readPage(client, request, Math.ceil(limit / 8));
  }
}

async function readLeases(client: EtcdClient): Promise<readonly Lease[]> {
  const leases: Lease[] = [];
  const ids: IterableIterator<LeaseId> = (await client.leaseIds()).values();
  const worker = async (): Promise<void> => {
    for (const id of ids) {
      const state = await client.leaseState(id);
      if (state !== undefined) leases.push({ id, ttl: state.ttl });
    }
  };
  await Promise.all(Array.from({ length: leasesAtOnce }, worker));
  return leases;
}
