import { setImmediate } from 'node:timers/promises';
import { CorruptFileError, type CorruptFileCode } from '../etcd-files/corrupt.js';
import type { StoreFile } from '../etcd-files/mvcc/store-file.js';
import type { KeyHead } from '../store/types.js';
import { FerryError, systemCode, type FailureKind } from '../core/errors.js';
import type { KeyRange, StoreView } from '../store/view.js';

/** What copies, comparisons and digests see of a file. */
export interface FileView extends StoreView {
  readonly file: StoreFile;
  /** Live keys in byte order, without their values. */
  keys(range?: KeyRange): AsyncIterable<readonly KeyHead[]>;
  close(): void;
}

/** Its reads let requests that are in flight have their turn, and fail with the program's own errors. */
export function asView(file: StoreFile): FileView {
  return {
    file,
    revision: file.revision,
    leases: () => Promise.resolve(file.leases),
    entries: (range?: KeyRange) => breathing(file, () => file.entries(range)),
    keys: (range?: KeyRange) => breathing(file, () => file.keys(range)),
    close: () => {
      file.close();
    },
  };
}

/** Reads are synchronous; in between, requests that are in flight get their turn, and Ctrl-C is heard. */
async function* breathing<Item>(file: StoreFile, items: () => Iterable<Item>): AsyncGenerator<Item> {
  try {
    const indexing = file.indexing();
    while (indexing.next().done !== true) await setImmediate();
    for (const item of items()) {
      yield item;
      await setImmediate();
    }
  } catch (error) {
    throw asFerryError(error, file.path);
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

const damagedLog =
  "Give another member's data directory; what the db file alone holds can be read from <state-dir>/etcd/data/member/snap/db.";

const hints: Partial<Record<CorruptFileCode, string>> = {
  NOT_BBOLT: 'Give a .sferry archive, a snapshot of etcdctl, or a folder that holds data and wal.',
  NOT_AN_ETCD_STORE: 'Give a .sferry archive, a snapshot of etcdctl, or a folder that holds data and wal.',
  NOT_A_DATA_DIRECTORY: 'Give <state-dir>/etcd, the folder that holds data and wal.',
  WAL_CORRUPT: damagedLog,
  WAL_GAP: damagedLog,
  FILE_CHANGED: 'Make sure that nothing runs on it or writes to it, and try again.',
  DATA_DIR_IN_USE: 'Stop sensu-backend (or etcd) first, or read it live with --endpoints.',
};

const unreadableHints: Readonly<Record<string, string>> = {
  ENOENT: 'Check the path.',
  ENOTDIR: 'Check the path.',
  EACCES: 'Check the permissions, or run as root.',
  EPERM: 'Check the permissions, or run as root.',
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
  // With `ERR_` Node refuses an argument: that is a defect of this program, and no fault of the file.
  if (code === undefined || code.startsWith('ERR_') || error instanceof FerryError) return error;
  return new FerryError({
    kind: 'source',
    code: 'SOURCE_UNREADABLE',
    message: `${path} cannot be read (${code}).`,
    hint: unreadableHints[code] ?? 'Check the disk and the file system that it lies on.',
    cause: error,
  });
}
