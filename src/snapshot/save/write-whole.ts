import type { Context } from '../../core/context.js';
import type { StorageWriter } from '../../storage/storage.js';
import { takeFreeName } from '../keep/file-name.js';
import type { Destination } from './save-plan.js';

/** Where a file was put. */
export interface Placed {
  readonly path: string;
  /** Bytes of the file. */
  readonly storedSize: number;
}

/** A file of that name, or one like it, at the destination; nothing of it when the work on it fails or is stopped. */
export async function writeWhole<Written>(
  { signal }: Context,
  destination: Destination,
  name: string,
  write: (writer: StorageWriter) => Promise<Written>,
): Promise<Written & Placed> {
  const { free, writer } = await takeFreeName(name, async (free) => ({
    free,
    writer: await destination.create(free, signal),
  }));
  try {
    const written = await write(writer);
    signal.throwIfAborted();
    await writer.commit();
    return { ...written, path: destination.pathOf(free), storedSize: writer.size };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
