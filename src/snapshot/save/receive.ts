import { openSnapshot, type StoreFile } from '../../etcd-files/mvcc/store-file.js';
import type { OpenFile } from '../../core/temp-file.js';
import type { Context } from '../../core/context.js';
import { inChunks } from '../../core/chunks.js';
import type { Manifest } from '../archive/manifest.js';
import type { SavePlan } from './save-plan.js';
import { asFerryError } from '../../at-rest/store-view.js';
import { StreamCheck } from './stream-check.js';

/**
 * Passes the snapshot of the source on and checks it against the sha256 at its end.
 * @param held How many chunks `take` still works on when it returns, and the one that comes next; default 1.
 */
export async function receive(
  context: Context,
  { source }: SavePlan,
  take: (chunk: Buffer) => Promise<void>,
  held?: number,
): Promise<Manifest['plain']> {
  const check = new StreamCheck();
  let done = 0;
  for await (const chunk of inChunks(source.bytes(), held)) {
    context.signal.throwIfAborted();
    check.update(chunk);
    await take(chunk);
    done += chunk.length;
    context.report.progress({ task: 'Snapshot', unit: 'bytes', done, total: Math.max(source.size, done) });
  }
  return check.finish(source.place);
}

/**
 * Enough for the index of some 380,000 keys without a temporary file. More than elsewhere, as nothing else needs
 * memory by then.
 */
const indexBytes = 32 * 1024 * 1024;

/** Looks into a snapshot that was just received. */
export async function inSnapshot<Found>(
  fd: OpenFile,
  { source }: SavePlan,
  look: (file: StoreFile) => Promise<Found>,
): Promise<Found> {
  const path = `the snapshot of ${source.place}`;
  let file: StoreFile | undefined;
  try {
    file = openSnapshot({ fd, path }, { runBytes: indexBytes });
    return await look(file);
  } catch (error) {
    throw asFerryError(error, path);
  } finally {
    file?.close();
  }
}
