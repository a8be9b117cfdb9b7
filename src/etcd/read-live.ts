import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import type { StoreView } from '../store/view.js';
import type { KvReader } from './facets/kv.js';
import type { LeaseReader } from './facets/leases.js';
import { openLiveView } from './live-view.js';

/** What reads longer than the time between this many compactions will not get to its end either. */
const mostReadings = 5;

/**
 * Reads a running etcd at its newest revision, and from the beginning at a newer one when etcd compacts that one away:
 * the etcd of a Sensu backend keeps two revisions, and drops the others every five minutes.
 * @throws FerryError STORE_COMPACTED when it has happened several times, and what reading throws
 */
export async function readLive<Result>(
  { report, signal }: Pick<Context, 'report' | 'signal'>,
  client: KvReader & LeaseReader,
  read: (view: StoreView) => Promise<Result>,
): Promise<Result> {
  for (let left = mostReadings - 1; ; left -= 1) {
    try {
      return await read(await openLiveView(client));
    } catch (error) {
      signal.throwIfAborted();
      if (!isCompacted(error)) throw error;
      if (left === 0) throw compactedAgain(error);
      report.info(`${error.message} It is read again at a newer one.`);
    }
  }
}

export function isCompacted(error: unknown): error is FerryError {
  return error instanceof FerryError && error.code === 'STORE_COMPACTED';
}

function compactedAgain({ kind, code, message }: FerryError): FerryError {
  const hint =
    'Take a snapshot with sensu-ferry snapshot save, which no compaction disturbs, and read that with --from.';
  const times = `, ${mostReadings} times in a row.`;
  return new FerryError({ kind, code, message: message.replace(/\.$/, times), hint });
}
