import { checkTrailer } from '../../etcd-files/bbolt/trailer.js';
import type { FileSource } from '../../etcd-files/mvcc/store-file.js';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import type { Manifest } from '../archive/manifest.js';
import { findFile, type FoundFile, type StoreAccess } from '../open/open.js';
import { largeTempFolder, Spool } from '../archive/spool.js';
import { archiveAt, archiveIn, unpackArchive } from '../archive/unpack.js';
import type { LayerRecord } from './layers.js';

/** The etcd snapshot of a file, unpacked where it lies in an archive. */
interface PlainFile {
  readonly kind: 'archive' | 'snapshot';
  /** Undefined when nothing of use could be unpacked. */
  readonly plain: FileSource | undefined;
  readonly manifest: Manifest | undefined;
  close(): void;
}

/**
 * Unpacks an archive and checks order and number of its chunks, its size, both sha256 and its manifest. When some
 * of that is wrong but the snapshot in it is whole by its own sha256, there is more to look at.
 */
export async function verifyArchive(
  context: Context,
  path: string,
  access: StoreAccess,
  layer: LayerRecord,
): Promise<PlainFile> {
  const found = await findFile(path, context, access);
  if (found.kind === 'data-directory') throw notASnapshot(path);
  const nothing = { manifest: undefined, close: () => undefined };
  if (found.kind === 'snapshot' && found.remote === undefined) {
    layer.absent();
    return { kind: 'snapshot', plain: path, ...nothing };
  }
  const spool = new Spool(largeTempFolder(context.env), 'sealed');
  const close = (): void => {
    spool.close();
  };
  try {
    const plain = { fd: spool.file, path };
    if (found.kind === 'snapshot') {
      layer.absent();
      await fetchInto(spool, found, context.signal);
      return { kind: 'snapshot', plain, manifest: undefined, close };
    }
    const manifest = await layer.look(() => unpack(context, path, found, spool, access, layer));
    const whole = manifest !== undefined || (await hasTrailer(plain));
    return { kind: 'archive', plain: whole ? plain : undefined, manifest, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function fetchInto(spool: Spool, { remote }: FoundFile, signal: AbortSignal): Promise<void> {
  if (remote === undefined) return;
  for await (const chunk of remote.storage.read(remote.name, signal)) await spool.write(chunk);
}

async function unpack(
  context: Context,
  path: string,
  found: FoundFile,
  spool: Spool,
  { keys }: StoreAccess,
  layer: LayerRecord,
): Promise<Manifest> {
  const { remote } = found;
  const archive = remote === undefined ? archiveAt(path) : archiveIn(path, remote.storage, remote.name);
  const manifest = await unpackArchive(context, archive, spool, { keys });
  layer.counts = { chunks: manifest.stored.chunks, bytes: manifest.stored.size };
  return manifest;
}

async function hasTrailer(plain: Parameters<typeof checkTrailer>[0]): Promise<boolean> {
  try {
    return (await checkTrailer(plain)).trailer === 'matches';
  } catch {
    return false;
  }
}

function notASnapshot(path: string): FerryError {
  return new FerryError({
    kind: 'source',
    code: 'NOT_A_SNAPSHOT_FILE',
    message: `${path} is a folder, not a snapshot.`,
    hint: 'Of a stopped data directory take a snapshot first, and verify that.',
  });
}
