import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import type { Destination } from './save-plan.js';

/** No upload takes so long; what is older was left by a run that was killed. */
const unfinishedMs = 24 * 3_600_000;

/**
 * Frees what killed runs have left, which also shows whether the destination can be used at all: before the
 * snapshot is fetched.
 */
export async function prepareDestination(context: Context, destination: Destination): Promise<void> {
  const before = new Date(context.clock.now().getTime() - unfinishedMs);
  try {
    await destination.removeUnfinished(before, context.signal);
  } catch (error) {
    // Credentials that may do nothing but write are good ones for a backup.
    if (!(error instanceof FerryError) || error.code !== 'S3_ACCESS_DENIED') throw error;
    context.report.info('What killed runs may have left there cannot be listed with these credentials.');
  }
}
