import type { Context } from '../../core/context.js';
import type { Storage } from '../../storage/storage.js';
import { findSnapshot } from './catalog.js';
import { pinnedName } from './side-files.js';

/**
 * Keeps a snapshot from being pruned. The file beside it counts by being there, whatever is in it: `touch` makes one
 * too, and one too many keeps a snapshot, while one too few would lose it.
 * @throws FerryError SNAPSHOT_MISSING
 */
export async function pin(context: Context, storage: Storage, name: string): Promise<void> {
  await findSnapshot(context, storage, name);
  const text = `Pinned at ${context.clock.now().toISOString()}: sensu-ferry snapshot prune leaves it.\n`;
  await storage.put(pinnedName(name), Buffer.from(text), context.signal);
}

/** @throws FerryError SNAPSHOT_MISSING */
export async function unpin(context: Context, storage: Storage, name: string): Promise<void> {
  await findSnapshot(context, storage, name);
  await storage.remove(pinnedName(name), context.signal);
}
