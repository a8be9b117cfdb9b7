import { TempFile } from '../bolt/temp-file.js';
import type { Context } from '../core/context.js';
import type { EtcdClient } from '../etcd/client.js';
import { ArchiveWriter } from './archive-writer.js';
import { chunksOf } from './chunks.js';
import { readContents, type StoreContents } from './contents.js';
import type { Manifest } from './manifest.js';
import { newManifest } from './new-manifest.js';
import { inSnapshot, receive, saveWhole } from './receive.js';
import { fileName, type SavedSnapshot, type SavePlan } from './save-plan.js';
import { asView } from './store-view.js';

/** An archive: every key of it was read. */
export interface SavedArchive extends SavedSnapshot {
  readonly contents: StoreContents;
}

/**
 * Streams the snapshot of the chosen member into an archive with a manifest. The plain snapshot goes into a
 * nameless file beside the archive, because what is in it is known only when it is whole: bbolt's pages lie in
 * no order.
 */
export function saveArchive(context: Context, client: EtcdClient, plan: SavePlan): Promise<SavedArchive> {
  return saveWhole(context, plan, async (part) => {
    const spool = new TempFile(plan.directory, 'plain');
    try {
      const createdAt = context.clock.now();
      const plain = await receive(context, client, plan, (chunk) => {
        spool.append(chunk, chunk.length);
      });
      const archive = new ArchiveWriter(part, createdAt);
      const compressed = compress(spool, archive);
      const contents = await inSnapshot(spool, plan, (file) => readContents(asView(file), context)).finally(
        // Whatever comes of the contents: the spool is not closed under it.
        () => compressed.catch(() => undefined),
      );
      const stored = await compressed;
      await archive.finish(newManifest({ ...plan, createdAt, plain, stored, contents }));
      const name = `${fileName(plan, contents, createdAt)}.sferry`;
      return { ...plain, name, revision: contents.revision, storedSize: part.size, contents };
    } finally {
      spool.close();
    }
  });
}

/** Goes on beside the reading of the contents, on the thread pool; while the stream came, it would have slowed it. */
async function compress(spool: TempFile, archive: ArchiveWriter): Promise<Manifest['stored']> {
  for (const chunk of chunksOf(spool)) await archive.add(chunk);
  return archive.finishSnapshot();
}
