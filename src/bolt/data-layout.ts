import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CorruptFileError } from './corrupt.js';

/** Where the files of a stopped etcd are. */
export interface DataLayout {
  /** The folder that was asked for. */
  readonly path: string;
  readonly snapFolder: string;
  readonly walFolder: string;
  /** Full paths of all WAL files, oldest first. */
  readonly walFiles: readonly string[];
}

/**
 * Finds the files below any of: Sensu's `<state-dir>/etcd` (folders `data` and `wal`), its `data` folder alone, or
 * a plain etcd data directory (folder `member` with `snap` and `wal`).
 * @throws CorruptFileError NOT_A_DATA_DIRECTORY
 */
export function findLayout(path: string): DataLayout {
  const beside = basename(path) === 'data' ? [join(dirname(path), 'wal')] : [];
  const candidates = [
    { member: join(path, 'data', 'member'), wals: [join(path, 'wal'), join(path, 'data', 'member', 'wal')] },
    { member: join(path, 'member'), wals: [join(path, 'member', 'wal'), ...beside] },
  ];
  const found = candidates.find(({ member }) => isFile(join(member, 'snap', 'db')));
  if (!found) {
    const what = 'has neither data/member/snap/db (Sensu) nor member/snap/db (etcd) in it';
    throw new CorruptFileError('NOT_A_DATA_DIRECTORY', path, what);
  }
  for (const walFolder of found.wals) {
    const walFiles = listWal(walFolder);
    if (walFiles.length > 0) return { path, snapFolder: join(found.member, 'snap'), walFolder, walFiles };
  }
  const what = `has a db file but no WAL file (looked in ${found.wals.join(' and ')}): without it the last writes are missing`;
  throw new CorruptFileError('NOT_A_DATA_DIRECTORY', path, what);
}

const walName = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/;

/** Other files in the folder are preallocated (`0.tmp`) or set aside (`.broken`). */
function listWal(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => walName.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/**
 * The WAL files that hold the entries after `index`: from the last one that begins at or before the next entry.
 * A file is named by its number in sequence and the index that its first entry has.
 * @throws CorruptFileError WAL_GAP when that entry's file or one in between is gone
 */
export function selectWal(
  layout: DataLayout,
  index: bigint,
): { readonly paths: readonly string[]; readonly begins: bigint } {
  const named = layout.walFiles.map((path) => {
    const [, sequence, first] = walName.exec(basename(path))!;
    return { path, sequence: BigInt(`0x${sequence!}`), first: BigInt(`0x${first!}`) };
  });
  const start = named.findLastIndex(({ first }) => first <= index + 1n);
  if (start === -1) {
    const what = `begins with raft entry ${named[0]!.first}, but the db file ends with ${index}`;
    throw new CorruptFileError('WAL_GAP', layout.walFolder, what);
  }
  const chosen = named.slice(start);
  for (const [i, { sequence, path }] of chosen.entries()) {
    if (i > 0 && sequence !== chosen[i - 1]!.sequence + 1n) {
      throw new CorruptFileError('WAL_GAP', path, 'does not follow the WAL file before it: one is missing');
    }
  }
  return { paths: chosen.map(({ path }) => path), begins: chosen[0]!.first };
}

/**
 * The db file that counts: `db`, or one that a leader has sent (`<index>.snap.db`) and that the member had no
 * time to put in its place, recognised by a raft snapshot (`<term>-<index>.snap`) newer than `db`.
 */
export function findReceivedDb(layout: DataLayout, consistentIndex: bigint): string | undefined {
  let newest = '';
  for (const name of readdirSync(layout.snapFolder)) {
    const match = /^[0-9a-f]{16}-([0-9a-f]{16})\.snap$/.exec(name);
    if (match && match[1]! > newest) newest = match[1]!;
  }
  if (newest === '' || BigInt(`0x${newest}`) <= consistentIndex) return undefined;
  const received = join(layout.snapFolder, `${newest}.snap.db`);
  return isFile(received) ? received : undefined;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
