import { open as openFile, stat } from 'node:fs/promises';
import { openSnapshot, type FileSource } from '../bolt/store-file.js';
import { TempFile } from '../bolt/temp-file.js';
import type { Replay } from '../bolt/wal-replay.js';
import { checkTrailer } from '../bolt/trailer.js';
import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import type { Manifest } from './manifest.js';
import { asFerryError, asView, type FileView } from './store-view.js';

/** A store at rest, wherever it came from. */
export interface OpenedStore extends FileView {
  readonly path: string;
  readonly kind: 'archive' | 'snapshot' | 'data-directory';
  /** Only archives have one. It was checked against the bytes. */
  readonly manifest: Manifest | undefined;
  /** True when a hash over the whole file was checked; a bare `db` file has none. */
  readonly hashChecked: boolean;
  /** The etcd snapshot as a plain file, unpacked; undefined for a data directory. */
  readonly plain: FileSource | undefined;
  /** What was replayed of a data directory's log; undefined for everything else. */
  readonly replay: Replay | undefined;
}

/**
 * Opens a `.sferry` archive, an etcd snapshot, a bare `db` file, or a stopped data directory, and checks
 * whatever hash it carries. An archive is unpacked into a nameless temporary file beside the system's others.
 */
export async function openStore(path: string, context: Context): Promise<OpenedStore> {
  try {
    const kind = await kindOf(path);
    if (kind === 'data-directory') return await openDataDirectoryAt(path);
    return kind === 'archive' ? await openArchive(path, context) : await openSnapshotAt(path);
  } catch (error) {
    throw asFerryError(error, path);
  }
}

async function kindOf(path: string): Promise<OpenedStore['kind']> {
  const found = await stat(path);
  if (found.isDirectory()) return 'data-directory';
  // Opening a pipe that nobody writes to never returns, not even at Ctrl-C.
  if (!found.isFile()) throw notAFile(path);
  // With its first bytes damaged or gone, the name alone tells an archive.
  if (found.size > 0 && path.endsWith('.sferry')) return 'archive';
  const file = await openFile(path, 'r');
  try {
    const head = Buffer.alloc(512);
    await file.read(head, 0, head.length, 0);
    return head.toString('latin1', 257, 262) === 'ustar' ? 'archive' : 'snapshot';
  } finally {
    await file.close();
  }
}

function notAFile(path: string): FerryError {
  return new FerryError({
    kind: 'source',
    code: 'SOURCE_NOT_A_FILE',
    message: `${path} is neither a file nor a folder.`,
    hint: 'A store is read back and forth: write what comes out of a pipe into a file first.',
  });
}

async function openDataDirectoryAt(path: string): Promise<OpenedStore> {
  const { openDataDirectory } = await import('../bolt/data-directory.js');
  const file = openDataDirectory(path);
  return {
    ...asView(file),
    path,
    kind: 'data-directory',
    manifest: undefined,
    hashChecked: false,
    plain: undefined,
    replay: file.replayed,
  };
}

async function openSnapshotAt(path: string): Promise<OpenedStore> {
  const { trailer } = await checkTrailer(path);
  const view = asView(openSnapshot(path));
  return {
    ...view,
    path,
    kind: 'snapshot',
    manifest: undefined,
    hashChecked: trailer === 'matches',
    plain: path,
    replay: undefined,
  };
}

async function openArchive(path: string, context: Context): Promise<OpenedStore> {
  const { readArchive } = await import('./archive-reader.js');
  const spool = new TempFile(context.env['TMPDIR'], 'plain');
  try {
    const sink = {
      write: (bytes: Buffer): Promise<void> => {
        spool.append(bytes, bytes.length);
        return Promise.resolve();
      },
    };
    const manifest = await readArchive(path, sink, context.signal);
    const plain = { fd: spool, path };
    const view = asView(openSnapshot(plain));
    const close = (): void => {
      view.close();
      spool.close();
    };
    return { ...view, path, kind: 'archive', manifest, hashChecked: true, plain, replay: undefined, close };
  } catch (error) {
    spool.close();
    throw error;
  }
}
