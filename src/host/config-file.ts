import { chmod, link, lstat, open, readdir, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Stats } from 'node:fs';
import { FerryError, systemCode } from '../core/errors.js';
import { syncDirectory } from '../core/part-file.js';

export interface ReplaceOptions {
  /** Default: the mode of the old file, 0600 for a new one. */
  readonly mode?: number;
  /** What is kept of the old content, which may hold a secret; undefined for nothing. Default: the old file itself. */
  readonly keep?: (old: Buffer) => Buffer | undefined;
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
  content: string | Buffer,
  now: Date,
  options: ReplaceOptions = {},
): Promise<ReplacedFile> {
  const old = await statFile(path);
  if (old?.isSymbolicLink() === true) throw isLink(path);
  // Written by a run that was cut off: a copy of it would be one more file with whatever secret is in it.
  if (old !== undefined && (await readIfThere(path))?.equals(Buffer.from(content)) === true) {
    if (options.mode !== undefined && options.mode !== (old.mode & 0o777)) await chmod(path, options.mode);
    return { movedTo: undefined };
  }
  const partPath = `${path}.part`;
  let movedTo: string | undefined;
  try {
    // First what needs room: on a full disk nothing else has been made then.
    await writePart(partPath, content, old, options.mode);
    movedTo = old && (await keepPart(path, old, now, options));
    await rename(partPath, path);
    await syncDirectory(dirname(path));
    return { movedTo };
  } catch (error) {
    await rm(partPath, { force: true });
    if (error instanceof FerryError) throw error;
    throw notWritten(path, error);
  }
}

/**
 * Gives a configuration file the content and the mode back that it had, on a full disk too: the copy that was kept
 * beside it then takes its place.
 * @throws FerryError as `replaceConfigFile`
 */
export async function putBackConfigFile(
  path: string,
  content: Buffer,
  now: Date,
  options: ReplaceOptions = {},
): Promise<void> {
  // Left by a run that was killed while it wrote it; it may hold a password.
  await rm(`${path}.part`, { force: true });
  try {
    await replaceConfigFile(path, content, now, options);
  } catch (error) {
    const kept = await keptCopy(path, content);
    if (kept === undefined) throw error;
    if (options.mode !== undefined) await chmod(kept, options.mode);
    await rename(kept, path);
    await syncDirectory(dirname(path));
  }
}

/** Removes a configuration file that was not there before, and keeps beside it what `keep` makes of its content. */
export async function removeConfigFile(
  path: string,
  now: Date,
  { keep }: Required<Pick<ReplaceOptions, 'keep'>>,
): Promise<void> {
  // Left by a run that was killed while it wrote it; it may hold a password.
  await rm(`${path}.part`, { force: true });
  const old = await statFile(path);
  if (old === undefined) return;
  // A full disk must not stop the way back: what holds a password goes all the same.
  await keepPart(path, old, now, { keep }).catch(() => undefined);
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** The old file, or what is to be kept of it, beside the new one. */
async function keepPart(
  path: string,
  old: Stats,
  now: Date,
  { keep, mode }: ReplaceOptions,
): Promise<string | undefined> {
  if (keep === undefined) {
    const kept = await keepOld(path, old, now);
    if (mode !== undefined) await chmod(kept, mode);
    return kept;
  }
  const content = keep(await readFile(path));
  if (content === undefined) return undefined;
  for (const kept of namesBeside(path, now)) {
    if ((await statFile(kept)) !== undefined) continue;
    await writePart(`${kept}.part`, content, old, 0o600);
    await rename(`${kept}.part`, kept);
    return kept;
  }
  return undefined;
}

/** With the time; two changes within a second get names of their own. */
function* namesBeside(path: string, now: Date): Generator<string> {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  for (let count = 0; ; count += 1) yield `${path}.${time}${count === 0 ? '' : `-${count}`}.bak`;
}

async function keptCopy(path: string, content: Buffer): Promise<string | undefined> {
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith('.bak')) continue;
    const copy = join(dirname(path), name);
    if ((await readIfThere(copy))?.equals(content) === true) return copy;
  }
  return undefined;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw notWritten(path, error);
  });
}

async function statFile(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw notWritten(path, error);
  }
}

/** The old file itself under another name: never half there, with its owner and mode, and without need of room. */
async function keepOld(path: string, old: Stats, now: Date): Promise<string> {
  for (const kept of namesBeside(path, now)) {
    try {
      await link(path, kept);
      return kept;
    } catch (error) {
      const code = systemCode(error) ?? '';
      if (code === 'EEXIST') continue;
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
    }
    if (await copyOld(path, kept, old)) return kept;
  }
  throw new Error('There is always one more name.');
}

/** Where there are no hard links. False when the name is taken. */
async function copyOld(path: string, kept: string, old: Stats): Promise<boolean> {
  if ((await readIfThere(kept)) !== undefined) return false;
  const partPath = `${kept}.part`;
  try {
    await writePart(partPath, await readFile(path), old, undefined);
    await rename(partPath, kept);
    return true;
  } catch (error) {
    await rm(partPath, { force: true });
    throw error;
  }
}

async function writePart(
  path: string,
  content: string | Buffer,
  old: Stats | undefined,
  mode: number | undefined,
): Promise<void> {
  await rm(path, { force: true });
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(content);
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
