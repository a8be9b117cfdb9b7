import type { StoreFile } from '../../etcd-files/mvcc/store-file.js';
import type { Context } from '../../core/context.js';
import { DirectoryStorage } from '../../storage/directory.js';
import { ArchiveWriter, chunksHeld } from '../archive/archive-writer.js';
import { chunksOf } from '../../core/chunks.js';
import { readContents, type StoreContents } from '../../at-rest/contents.js';
import type { Manifest } from '../archive/manifest.js';
import { newManifest } from '../archive/new-manifest.js';
import { takeFreeName } from '../keep/file-name.js';
import { inSnapshot, receive } from './receive.js';
import { nameFor, type SavedSnapshot, type SavePlan } from './save-plan.js';
import { largeTempFolder, Spool } from '../archive/spool.js';
import { asView } from '../../at-rest/store-view.js';
import { writeWhole } from './write-whole.js';

/** An archive: every key of it was read. */
export interface SavedArchive extends SavedSnapshot {
  readonly contents: StoreContents;
}

/** Streams the snapshot of the source into an archive with a manifest, in a place that `prepareDestination` has seen. */
export async function saveArchive(context: Context, plan: SavePlan): Promise<SavedArchive> {
  const startedAt = performance.now();
  const { source, destination } = plan;
  const createdAt = context.clock.now();
  const spool = openSpool(context, plan);
  try {
    const sensuClusterId = await source.sensuClusterId();
    const nameOf = (revision: bigint): string =>
      `${nameFor(plan, { revision, sensuClusterId }, createdAt)}.sferry`;
    const work = { context, plan, createdAt, spool, nameOf };
    const saved = await (destination instanceof DirectoryStorage
      ? saveWhileReceiving(work, destination)
      : saveSpooled(work));
    return { ...saved, source, milliseconds: performance.now() - startedAt };
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

interface ArchiveWork {
  readonly context: Context;
  readonly plan: SavePlan;
  readonly createdAt: Date;
  readonly spool: Spool;
  readonly nameOf: (revision: bigint) => string;
}

type Saved = Omit<SavedArchive, 'source' | 'milliseconds'>;

/** A file in a folder needs no name before it is whole, so it is compressed while it comes. */
async function saveWhileReceiving(work: ArchiveWork, directory: DirectoryStorage): Promise<Saved> {
  const { context, plan, spool, nameOf } = work;
  const writer = await directory.create('snapshot.sferry', context.signal);
  try {
    const archive = new ArchiveWriter(writer, work.createdAt, plan.encryption);
    const receiveChunk = async (chunk: Buffer): Promise<void> => {
      await spool.write(chunk);
      await archive.add(chunk);
    };
    const plain = await receive(context, plan, receiveChunk, chunksHeld);
    const contents = await inSnapshot(spool.file, plan, (file) =>
      finishArchive(work, archive, { plain, file }, () => archive.finishSnapshot()),
    );
    context.signal.throwIfAborted();
    const { revision } = contents;
    const name = await takeFreeName(nameOf(revision), (free) => writer.rename(free));
    await writer.commit();
    return { ...plain, revision, contents, path: directory.pathOf(name), storedSize: writer.size };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** A bucket wants the name, which has the revision, before the first byte; a pipe only what is proven. */
async function saveSpooled(work: ArchiveWork): Promise<Saved> {
  const { context, plan, spool, nameOf } = work;
  const plain = await receive(context, plan, (chunk) => spool.write(chunk));
  return inSnapshot(spool.file, plan, (file) =>
    writeWhole(context, plan.destination, nameOf(file.revision), async (writer) => {
      const archive = new ArchiveWriter(writer, work.createdAt, plan.encryption);
      const contents = await finishArchive(work, archive, { plain, file }, () => compress(spool, archive));
      return { ...plain, revision: contents.revision, contents };
    }),
  );
}

/** The rest of the snapshot is compressed on the thread pool while its contents are read here. */
async function finishArchive(
  { context, plan, createdAt }: ArchiveWork,
  archive: ArchiveWriter,
  snapshot: { readonly plain: Manifest['plain']; readonly file: StoreFile },
  compressRest: () => Promise<Manifest['stored']>,
): Promise<StoreContents> {
  const compressed = compressRest();
  // Its failure is met when its turn comes; until then it must not count as unhandled.
  const compressing = compressed.catch(() => undefined);
  const contents = await readContents(asView(snapshot.file), context).finally(
    // Whatever comes of the contents: the spool is not closed under it.
    () => compressing,
  );
  const stored = await compressed;
  await archive.finish(newManifest({ ...plan, createdAt, plain: snapshot.plain, stored, contents }));
  return contents;
}

async function compress(spool: Spool, archive: ArchiveWriter): Promise<Manifest['stored']> {
  for (const chunk of chunksOf(spool.file)) await archive.add(chunk);
  return archive.finishSnapshot();
}
