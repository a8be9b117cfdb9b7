import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import type { Destination } from './save-plan.js';

/** No upload takes so long; what is older was left by a run that was killed. */
const unfinishedMs = 24 * 3_600_000;

/** What a destination that takes a backup may answer all the same when it is asked for what others have left. */
const notTold: readonly string[] = [
  'S3_ACCESS_DENIED',
  'S3_ANSWER_STRANGE',
  'S3_FAILED',
  'S3_NOT_SUPPORTED',
  'S3_UPLOADS_NOT_LISTED',
];

/**
 * Frees what killed runs have left, which also shows whether the destination can be used at all: before servers are
 * asked for a snapshot, or the logs of stopped members are replayed for one.
 */
export async function prepareDestination(context: Context, destination: Destination): Promise<void> {
  const before = new Date(context.clock.now().getTime() - unfinishedMs);
  try {
    await destination.removeUnfinished(before, context.signal);
  } catch (error) {
    // Credentials that may do nothing but write are good ones for a backup, and so is a server that knows no more.
    if (!(error instanceof FerryError) || !notTold.includes(error.code)) throw error;
    context.report.info(`What killed runs may have left there is not cleared away: ${error.message}`);
  }
}
