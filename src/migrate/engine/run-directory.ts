import { constants, type Stats } from 'node:fs';
import { mkdir, realpath, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FerryError, systemCode } from '../../core/errors.js';
import { fileOnTheWayTo } from '../../core/folder.js';
import { openPlainFile, throughNoLink } from '../../core/plain-file.js';

/**
 * Makes the directory of a new run, or takes one that is there already.
 * @throws FerryError RUN_DIRECTORY_UNUSABLE (`usage`), and as `refuseForeignRun`
 */
export async function makeRunDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(
      `${directory} cannot be made a directory (${systemCode(error) ?? 'unknown error'}).`,
      error,
    );
  }
  await refuseForeignRun(directory);
}

/**
 * What a run directory says is obeyed: its commands are run and its files are put back, mostly as root. So nobody but
 * root and this user may have put anything there. One that does not exist is left to whoever reads it.
 * @throws FerryError RUN_DIRECTORY_UNSAFE (`refused`), RUN_DIRECTORY_UNUSABLE (`usage`)
 */
export async function refuseForeignRun(directory: string): Promise<void> {
  const real = await realpath(directory).catch(() => undefined);
  if (real === undefined) return refuseFileInTheWay(directory);
  const status = await stat(real);
  if (!status.isDirectory()) throw unusable(`${directory} is not a directory.`);
  const fault = faultOf(status, ownUid());
  if (fault !== undefined) throw unsafe(directory, fault);
  for (let parent = dirname(real); ; parent = dirname(parent)) {
    if (isOpenToAll(await stat(parent))) {
      throw unsafe(directory, `lies in ${parent}, where every user can put another in its place`);
    }
    if (parent === dirname(parent)) return;
  }
}

/** Why a file or folder may have been written by somebody else; undefined when only root and this user can have. */
export function faultOf({ uid, mode }: Pick<Stats, 'uid' | 'mode'>, own: number): string | undefined {
  if (uid !== own && uid !== 0) return `belongs to user ${uid}, who is neither root nor you`;
  if ((mode & 0o022) !== 0) return `can be written by other users (mode ${(mode & 0o777).toString(8)})`;
  return undefined;
}

/** In a sticky folder such as `/tmp` each user can move only what is their own. */
function isOpenToAll({ mode }: Stats): boolean {
  return (mode & 0o002) !== 0 && (mode & 0o1000) === 0;
}

/**
 * Opens a file of a run: a plain one, of root or this user.
 * @throws FerryError RUN_DIRECTORY_UNSAFE, NOT_A_PLAIN_FILE (`refused`), or the system's error
 */
export async function openRunFile(directory: string, name: string, flags: number): Promise<FileHandle> {
  const handle = await openPlainFile(join(directory, name), flags | throughNoLink);
  const fault = faultOf(await handle.stat(), ownUid());
  if (fault === undefined) return handle;
  await handle.close();
  throw unsafe(join(directory, name), fault);
}

/** Undefined when there is no such file. Throws as `openRunFile`. */
export async function readRunFile(directory: string, name: string): Promise<Buffer | undefined> {
  let handle: FileHandle;
  try {
    handle = await openRunFile(directory, name, constants.O_RDONLY);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

const ownUid = (): number => process.getuid?.() ?? 0;

/** Where the directory is to be made, which then cannot be done. */
async function refuseFileInTheWay(directory: string): Promise<void> {
  const inTheWay = await fileOnTheWayTo(directory);
  if (inTheWay !== undefined) throw unusable(`${inTheWay} is not a directory.`);
}

function unusable(message: string, cause?: unknown): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'RUN_DIRECTORY_UNUSABLE',
    message,
    hint: 'Give a --run-dir that is a directory, or does not exist yet. Nothing was changed.',
    cause,
  });
}

function unsafe(path: string, fault: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'RUN_DIRECTORY_UNSAFE',
    message: `${path} ${fault}.`,
    hint: 'The commands and files in a run directory are used as they are. Look who has written there; if all of it is yours, chown it to yourself and chmod 700 the directory, 600 the files.',
  });
}
