import { open as openFile, stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { CorruptFileError, type CorruptFileCode } from '../bolt/corrupt.js';
import { openSnapshot, type FileSource, type StoreFile } from '../bolt/store-file.js';
import { TempFile } from '../bolt/temp-file.js';
import type { Replay } from '../bolt/wal-replay.js';
import type { KeyHead } from '../bolt/types.js';
import { checkTrailer } from '../bolt/trailer.js';
import type { Context } from '../core/context.js';
import { FerryError, systemCode, type FailureKind } from '../core/errors.js';
import type { KeyRange, StoreView } from '../store/view.js';
import { readArchive } from './archive-reader.js';
import type { Manifest } from './manifest.js';

/** A store at rest, wherever it came from. */
export interface OpenedStore extends StoreView {
  readonly path: string;
  readonly kind: 'archive' | 'snapshot' | 'data-directory';
  /** Only archives have one. It was checked against the bytes. */
  readonly manifest: Manifest | undefined;
  /** True when a hash over the whole file was checked; a bare `db` file has none. */
  readonly hashChecked: boolean;
  readonly file: StoreFile;
  /** The etcd snapshot as a plain file, unpacked; undefined for a data directory. */
  readonly plain: FileSource | undefined;
  /** What was replayed of a data directory's log; undefined for everything else. */
  readonly replay: Replay | undefined;
  /** Live keys in byte order, without their values. */
  keys(range?: KeyRange): AsyncIterable<readonly KeyHead[]>;
  close(): void;
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
  if ((await stat(path)).isDirectory()) return 'data-directory';
  const file = await openFile(path, 'r');
  try {
    const head = Buffer.alloc(512);
    await file.read(head, 0, head.length, 0);
    return head.toString('latin1', 257, 262) === 'ustar' ? 'archive' : 'snapshot';
  } finally {
    await file.close();
  }
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
  const spool = new TempFile(context.env['TMPDIR']);
  try {
    const sink = {
      write: (bytes: Buffer): Promise<void> => {
        spool.append(bytes, bytes.length);
        return Promise.resolve();
      },
    };
    const manifest = await readArchive(path, sink, context.signal);
    const plain = { fd: spool.fd, path };
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

/** A store file as the view that copies, comparisons and digests work on. */
export function asView(file: StoreFile): StoreView & Pick<OpenedStore, 'file' | 'keys' | 'close'> {
  return {
    file,
    revision: file.revision,
    leases: () => Promise.resolve(file.leases),
    entries: (range?: KeyRange) => breathing(file.path, () => file.entries(range)),
    keys: (range?: KeyRange) => breathing(file.path, () => file.keys(range)),
    close: () => {
      file.close();
    },
  };
}

/** Reads are synchronous; between two batches requests that are in flight get their turn. */
async function* breathing<Item>(path: string, items: () => Iterable<Item>): AsyncGenerator<Item> {
  try {
    for (const item of items()) {
      yield item;
      await setImmediate();
    }
  } catch (error) {
    throw asFerryError(error, path);
  }
}

/** Files that are not what was asked for, apart from files that were and are damaged. */
const kinds: Partial<Record<CorruptFileCode, FailureKind>> = {
  EMPTY_FILE: 'source',
  NOT_BBOLT: 'source',
  NOT_AN_ETCD_STORE: 'source',
  NOT_A_DATA_DIRECTORY: 'source',
  DATA_DIR_IN_USE: 'refused',
};

const hints: Partial<Record<CorruptFileCode, string>> = {
  NOT_BBOLT: 'Give a .sferry archive, a snapshot of etcdctl, or a folder that holds data and wal.',
  NOT_AN_ETCD_STORE: 'Give a .sferry archive, a snapshot of etcdctl, or a folder that holds data and wal.',
  NOT_A_DATA_DIRECTORY: 'Give <state-dir>/etcd, the folder that holds data and wal.',
  DATA_DIR_IN_USE: 'Stop sensu-backend (or etcd) first, or read it live with --endpoints.',
};

/** Any failure to read a store's files as the program's own error. */
export function asFerryError(error: unknown, path: string): unknown {
  if (error instanceof CorruptFileError) {
    return new FerryError({
      kind: kinds[error.code] ?? 'integrity',
      code: error.code,
      message: `${error.message}.`,
      hint: hints[error.code] ?? 'Take another snapshot file; this one cannot be trusted.',
      cause: error,
    });
  }
  const code = systemCode(error);
  if (code === undefined || error instanceof FerryError) return error;
  return new FerryError({
    kind: 'source',
    code: 'SOURCE_UNREADABLE',
    message: `${path} cannot be read (${code}).`,
    hint: code === 'ENOENT' ? 'Check the path.' : 'Check the permissions, or run as root.',
    cause: error,
  });
}
