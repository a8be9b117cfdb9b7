import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CorruptFileError } from '../corrupt.js';

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

/** The same for every path to one data directory, whatever it is called; also for a folder that is none. */
export function placeOf(path: string): string {
  try {
    const { dev, ino } = statSync(join(findLayout(path).snapFolder, 'db'), { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return existsSync(path) ? realpathSync(path) : path;
  }
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
 * The WAL files that hold the entries after `index`, and those before them, as far as there are any, that hold the entries
 * after `wanted`. A file is named by its number in sequence and the index that its first entry has.
 * @throws CorruptFileError WAL_GAP when the entry after `index` has no file, or one behind it is gone
 */
export function selectWal(
  layout: DataLayout,
  index: bigint,
  wanted = index,
): { readonly paths: readonly string[]; readonly begins: bigint } {
  const named = layout.walFiles.map((path) => {
    const [, sequence, first] = walName.exec(basename(path))!;
    return { path, sequence: BigInt(`0x${sequence!}`), first: BigInt(`0x${first!}`) };
  });
  const follows = (i: number): boolean => named[i]!.sequence === named[i - 1]!.sequence + 1n;
  let start = named.findLastIndex(({ first }) => first <= index + 1n);
  if (start === -1) {
    const what = `begins with raft entry ${named[0]!.first}, but the db file ends with ${index}`;
    throw new CorruptFileError('WAL_GAP', layout.walFolder, what);
  }
  for (let i = start + 1; i < named.length; i++) {
    if (follows(i)) continue;
    throw new CorruptFileError(
      'WAL_GAP',
      named[i]!.path,
      'does not follow the WAL file before it: one is missing',
    );
  }
  while (start > 0 && named[start]!.first > wanted + 1n && follows(start)) start -= 1;
  const chosen = named.slice(start);
  return { paths: chosen.map(({ path }) => path), begins: chosen[0]!.first };
}

/** What the name of a raft snapshot (`<term>-<index>.snap`) tells. */
interface SnapFile {
  readonly index: bigint;
  readonly term: bigint;
}

/** The newest raft snapshot that lies there. */
export function newestSnapFile({ snapFolder }: DataLayout): SnapFile | undefined {
  const found = readdirSync(snapFolder).flatMap((name) => {
    const match = /^([0-9a-f]{16})-([0-9a-f]{16})\.snap$/.exec(name);
    return match ? [{ term: BigInt(`0x${match[1]!}`), index: BigInt(`0x${match[2]!}`) }] : [];
  });
  return found.reduce<SnapFile | undefined>(
    (newest, snap) => (newest === undefined || snap.index > newest.index ? snap : newest),
    undefined,
  );
}

/**
 * The db file that counts: `db`, or one that a leader has sent (`<index>.snap.db`) and that the member had no
 * time to put in its place, recognised by a raft snapshot newer than `db`.
 */
export function findReceivedDb(
  layout: DataLayout,
  consistentIndex: bigint,
): (SnapFile & { readonly path: string }) | undefined {
  const newest = newestSnapFile(layout);
  if (newest === undefined || newest.index <= consistentIndex) return undefined;
  const path = join(layout.snapFolder, `${newest.index.toString(16).padStart(16, '0')}.snap.db`);
  return isFile(path) ? { ...newest, path } : undefined;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
