import type { StoreFile } from '../bolt/store-file.js';
import type { Context } from '../core/context.js';
import type { EtcdClient } from '../etcd/client.js';
import { DirectoryStorage } from '../storage/directory.js';
import type { StorageWriter } from '../storage/storage.js';
import { ArchiveWriter } from './archive-writer.js';
import { chunksOf } from './chunks.js';
import { readClusterId } from './cluster-id.js';
import { readContents, type StoreContents } from './contents.js';
import type { Manifest } from './manifest.js';
import { newManifest } from './new-manifest.js';
import { prepareDestination } from './prepare-destination.js';
import { inSnapshot, receive } from './receive.js';
import { fileName, type SavedSnapshot, type SavePlan } from './save-plan.js';
import { largeTempFolder, Spool } from './spool.js';
import { asView } from './store-view.js';
import { writeWhole } from './write-whole.js';

/** An archive: every key of it was read. */
export interface SavedArchive extends SavedSnapshot {
  readonly contents: StoreContents;
}

/** Streams the snapshot of the chosen member into an archive with a manifest. */
export async function saveArchive(
  context: Context,
  client: EtcdClient,
  plan: SavePlan,
): Promise<SavedArchive> {
  const startedAt = performance.now();
  const { name, endpoint } = plan.member;
  const createdAt = context.clock.now();
  await prepareDestination(context, plan.destination);
  const spool = openSpool(context, plan);
  try {
    const sensuClusterId = await readClusterId(client);
    const plain = await receive(context, client, plan, (chunk) => spool.write(chunk));
    const archive = await inSnapshot(spool.file, plan, (file) =>
      writeWhole(
        context,
        plan.destination,
        `${fileName(plan, { revision: file.revision, sensuClusterId }, createdAt)}.sferry`,
        (writer) => writeArchive(context, { ...plan, createdAt, plain, spool, file }, writer),
      ),
    );
    return { ...archive, ...plain, member: { name, endpoint }, milliseconds: performance.now() - startedAt };
  } finally {
    spool.close();
  }
}

/** In a folder, the archive's disk has room for the spool too, and may hold the same in clear anyway. */
function openSpool({ env }: Context, { destination, encryption }: SavePlan): Spool {
  if (destination instanceof DirectoryStorage) {
    return new Spool(destination.location, encryption === undefined ? 'plain' : 'sealed');
  }
  return new Spool(largeTempFolder(env), 'sealed');
}

interface ReceivedSnapshot extends SavePlan {
  readonly createdAt: Date;
  readonly plain: Manifest['plain'];
  readonly spool: Spool;
  readonly file: StoreFile;
}

/** The snapshot is compressed on the thread pool while its contents are read here. */
async function writeArchive(
  context: Context,
  snapshot: ReceivedSnapshot,
  writer: StorageWriter,
): Promise<Pick<SavedArchive, 'revision' | 'contents'>> {
  const archive = new ArchiveWriter(writer, snapshot.createdAt, snapshot.encryption);
  const compressed = compress(snapshot.spool, archive);
  // Its failure is met when its turn comes; until then it must not count as unhandled.
  const compressing = compressed.catch(() => undefined);
  const contents = await readContents(asView(snapshot.file), context).finally(
    // Whatever comes of the contents: the spool is not closed under it.
    () => compressing,
  );
  const stored = await compressed;
  await archive.finish(newManifest({ ...snapshot, stored, contents }));
  return { revision: contents.revision, contents };
}

async function compress(spool: Spool, archive: ArchiveWriter): Promise<Manifest['stored']> {
  for (const chunk of chunksOf(spool.file)) await archive.add(chunk);
  return archive.finishSnapshot();
}
