import { FerryError } from '../core/errors.js';
import type { KvReader, RangeRequest, RangeResult } from '../etcd/facets/kv.js';
import type { KeyRange, Lease, LeaseId, Revision, StoreEntry, StoreView } from '../store/view.js';
import { pairByKey, type KeyPair } from '../store/merge-by-key.js';
import { leaseOf, leasesById, selectEntries, type Part } from './part.js';
import { after } from './transaction.js';

/**
 * Reads of the target that are asked for before they are needed; each answers with about a batch of the
 * source, so that this many MiB may wait in memory. Six were measured to be no faster.
 */
const readsAhead = 3;
/** More than a batch of the source has: what does not fit is asked for page by page. */
const keysPerRead = 2000;

export interface Alongside {
  readonly source: StoreView;
  readonly client: KvReader;
  readonly part: Part;
  /**
   * Pins the target's state. Without it each read sees the newest: while the reader itself writes, behind where
   * it reads, a pinned revision would be lost to an automatic compaction.
   */
  readonly revision?: Revision;
  readonly signal: AbortSignal;
}

/**
 * Reads source and target side by side in key order: for each batch of the source, the target's keys from
 * the end of the batch before to the end of this one, asked for while earlier ones are still being compared.
 */
export async function* readAlongside(reading: Alongside): AsyncGenerator<KeyPair<StoreEntry, StoreEntry>[]> {
  const sourceLeases = await leasesById(reading.source);
  const waiting: Promise<KeyPair<StoreEntry, StoreEntry>[]>[] = [];
  try {
    for await (const segment of segments(reading)) {
      const pairs = readSegment(reading, segment, sourceLeases);
      // The failure is thrown where the segment is awaited; until then it is no unhandled one.
      pairs.catch(() => undefined);
      waiting.push(pairs);
      if (waiting.length > readsAhead) yield await waiting.shift()!;
      reading.signal.throwIfAborted();
    }
    while (waiting.length > 0) yield await waiting.shift()!;
  } finally {
    await Promise.allSettled(waiting);
  }
}

interface Segment {
  readonly range: KeyRange;
  readonly batch: readonly StoreEntry[];
}

/** Cuts the range at the ends of the source's batches, so that the whole of it is covered. */
async function* segments({ source, part }: Alongside): AsyncGenerator<Segment> {
  let start = part.range.start;
  let previous: readonly StoreEntry[] = [];
  for await (const batch of source.entries(part.range)) {
    if (batch.length === 0) continue;
    if (previous.length > 0) {
      const end = after(previous.at(-1)!.key);
      yield { range: { start, end }, batch: previous };
      start = end;
    }
    previous = batch;
  }
  yield { range: { ...part.range, start }, batch: previous };
}

async function readSegment(
  { client, part, revision }: Alongside,
  { range, batch }: Segment,
  sourceLeases: ReadonlyMap<LeaseId, Lease>,
): Promise<KeyPair<StoreEntry, StoreEntry>[]> {
  const entries = await readRange(client, range, revision);
  return pairByKey(
    selectEntries(batch, part, (entry) => leaseOf(entry, sourceLeases) !== undefined),
    selectEntries(entries, part, (entry) => entry.lease !== undefined),
  );
}

/** Every key of a range that is known to be small. */
async function readRange(
  client: KvReader,
  range: KeyRange,
  revision: Revision | undefined,
): Promise<readonly StoreEntry[]> {
  const entries: StoreEntry[] = [];
  for (let start = range.start; ; start = after(entries.at(-1)!.key)) {
    const page = await readPage(client, { ...range, start, ...(revision !== undefined && { revision }) });
    entries.push(...page.entries);
    if (!page.more || page.entries.length === 0) return entries;
  }
}

/** A target that is not like the source may have values there that exceed what gRPC takes in one answer. */
async function readPage(client: KvReader, request: RangeRequest, limit = keysPerRead): Promise<RangeResult> {
  try {
    return await client.range({ ...request, limit });
  } catch (error) {
    const tooLarge = error instanceof FerryError && error.code === 'REQUEST_TOO_LARGE';
    if (!tooLarge || limit === 1) throw error;
    return readPage(client, request, Math.ceil(limit / 8));
  }
}
