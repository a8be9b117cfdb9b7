import { constants } from 'node:fs';
import { copyFile, lstat, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Stats } from 'node:fs';
import { FerryError, systemCode } from '../core/errors.js';
import { syncDirectory } from '../core/part-file.js';

export interface ReplaceOptions {
  /** Default: the mode of the old file, 0600 for a new one. */
  readonly mode?: number;
}

export interface ReplacedFile {
  /** Where the old content lies; undefined when there was none. */
  readonly movedTo: string | undefined;
}

/**
 * Gives a configuration file another content. At every moment the path holds the old content or the new one,
 * whole; the old one stays beside it under a name with the time. Owner and mode are kept.
 * @throws FerryError FILE_IS_LINK (`refused`), CONFIG_NOT_WRITTEN (`failed`)
 */
export async function replaceConfigFile(
  path: string,
  text: string,
  now: Date,
  options: ReplaceOptions = {},
): Promise<ReplacedFile> {
  const old = await statFile(path);
  if (old?.isSymbolicLink() === true) throw isLink(path);
  const partPath = `${path}.part`;
  try {
    const movedTo = old && (await keepOld(path, old, now, options.mode));
    await writePart(partPath, text, old, options.mode);
    await rename(partPath, path);
    await syncDirectory(dirname(path));
    return { movedTo };
  } catch (error) {
    await rm(partPath, { force: true });
    if (error instanceof FerryError) throw error;
    throw notWritten(path, error);
  }
}

async function statFile(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw notWritten(path, error);
  }
}

/** Two changes within a second get names of their own. */
async function keepOld(path: string, old: Stats, now: Date, mode: number | undefined): Promise<string> {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  for (let count = 0; ; count += 1) {
    const kept = `${path}.${time}${count === 0 ? '' : `-${count}`}.bak`;
    try {
      // Nobody but the owner reads the copy before its mode is right.
      await (await open(kept, 'wx', 0o600)).close();
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
      continue;
    }
    await copyFile(path, kept, constants.COPYFILE_FICLONE);
    const handle = await open(kept, 'r+');
    await settle(handle, old, mode);
    return kept;
  }
}

async function writePart(
  path: string,
  text: string,
  old: Stats | undefined,
  mode: number | undefined,
): Promise<void> {
  await rm(path, { force: true });
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
  } catch (error) {
    await handle.close();
    throw error;
  }
  await settle(handle, old, mode);
}

/** Owner first: a change of owner can take bits of the mode away. Closes the file once it is on the disk. */
async function settle(handle: FileHandle, old: Stats | undefined, mode: number | undefined): Promise<void> {
  try {
    if (old !== undefined) await keepOwner(handle, old);
    const wanted = mode ?? (old === undefined ? undefined : old.mode & 0o777);
    if (wanted !== undefined) await handle.chmod(wanted);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Fails for one who may not give files away: a file of another owner might be closed to the backend. */
async function keepOwner(handle: FileHandle, old: Stats): Promise<void> {
  const { uid, gid } = await handle.stat();
  if (uid !== old.uid || gid !== old.gid) await handle.chown(old.uid, old.gid);
}

function isLink(path: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'FILE_IS_LINK',
    message: `${path} is a symbolic link, and what manages its target would be overwritten.`,
    hint: 'Give the path of the real file, and change what manages it.',
  });
}

function notWritten(path: string, cause: unknown): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'CONFIG_NOT_WRITTEN',
    message: `${path} cannot be replaced (${systemCode(cause) ?? 'unknown error'}).`,
    hint: 'Run as root, and check the disk. The old file is untouched.',
    cause,
  });
}
