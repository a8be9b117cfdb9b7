import type { Context } from '../../core/context.js';
import { DirectoryStorage } from '../../storage/directory.js';
import { chunksOf } from '../../core/chunks.js';
import type { Manifest } from '../archive/manifest.js';
import { takeFreeName } from '../keep/file-name.js';
import { inSnapshot, receive } from './receive.js';
import { nameFor, type SavedSnapshot, type SavePlan } from './save-plan.js';
import { largeTempFolder, Spool } from '../archive/spool.js';
import { writeWhole, type Placed } from './write-whole.js';

type SavedPlain = Placed & Manifest['plain'] & Pick<SavedSnapshot, 'revision'>;

/** Streams the snapshot of the source into a plain `.db` that etcdutl reads, in a place that `prepareDestination` has seen. */
export async function savePlain(context: Context, plan: SavePlan): Promise<SavedSnapshot> {
  const startedAt = performance.now();
  const { source } = plan;
  const sensuClusterId = await source.sensuClusterId();
  const now = context.clock.now();
  const nameOf = (revision: bigint): string => `${nameFor(plan, { revision, sensuClusterId }, now)}.db`;
  const { destination } = plan;
  const saved =
    destination instanceof DirectoryStorage
      ? await saveInto(destination, context, plan, nameOf)
      : await saveSpooled(context, plan, nameOf);
  return { ...saved, source, milliseconds: performance.now() - startedAt };
}

type NameOf = (revision: bigint) => string;

/** Into its place at once: a file can be looked into, and named, when it is whole. */
async function saveInto(
  directory: DirectoryStorage,
  context: Context,
  plan: SavePlan,
  nameOf: NameOf,
): Promise<SavedPlain> {
  const writer = await directory.create('snapshot.db', context.signal);
  try {
    const plain = await receive(context, plan, (chunk) => writer.write(chunk));
    const revision = await inSnapshot(writer.fd, plan, (file) => Promise.resolve(file.revision));
    context.signal.throwIfAborted();
    const name = await takeFreeName(nameOf(revision), (free) => writer.rename(free));
    await writer.commit();
    return { ...plain, revision, path: directory.pathOf(name), storedSize: writer.size };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** A bucket wants the name, which has the revision, before the first byte. */
async function saveSpooled(context: Context, plan: SavePlan, nameOf: NameOf): Promise<SavedPlain> {
  const spool = new Spool(largeTempFolder(context.env), 'sealed');
  try {
    const plain = await receive(context, plan, (chunk) => spool.write(chunk));
    const revision = await inSnapshot(spool.file, plan, (file) => Promise.resolve(file.revision));
    return await writeWhole(context, plan.destination, nameOf(revision), async (writer) => {
      for (const chunk of chunksOf(spool.file)) await writer.write(chunk);
      return { ...plain, revision };
    });
  } finally {
    spool.close();
  }
}
