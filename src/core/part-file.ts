import type { Stats } from 'node:fs';
import { lstat, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FerryError, systemCode } from './errors.js';
import { faultOfFolder } from './folder.js';
import { linkOnce } from './link-once.js';

/** Bytes that are written before the disk is asked to take them, while more come: `sync` would wait for all of them. */
const flushedAt = 16 * 1024 * 1024;

/**
 * A file that exists whole or not at all: written as `<path>.part` with mode 0600 from its first byte, and
 * given its name only after its bytes are on the disk.
 */
export class PartFile {
  readonly partPath: string;
  readonly #handle: FileHandle;
  #size = 0;
  #unsynced = 0;
  /** Undefined while no bytes are on their way to the disk. A failure stays, as a later sync would not tell it again. */
  #flush: Promise<void> | undefined;

  private constructor(partPath: string, handle: FileHandle) {
    this.partPath = partPath;
    this.#handle = handle;
  }

  /** `path` is where the part file lies, without its ending; `commit` may give another name beside it. */
  static async create(path: string): Promise<PartFile> {
    const partPath = `${path}.part`;
    try {
      return new PartFile(partPath, await open(partPath, 'wx+', 0o600));
    } catch (error) {
      throw cannotWrite(partPath, error, await faultOfFolder(dirname(path)));
    }
  }

  get fd(): number {
    return this.#handle.fd;
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  async write(bytes: Buffer): Promise<void> {
    try {
      let written = 0;
      while (written < bytes.length) {
        written += (await this.#handle.write(bytes, written)).bytesWritten;
      }
      this.#size += bytes.length;
      this.#unsynced += bytes.length;
      if (this.#unsynced >= flushedAt && this.#flush === undefined) this.#flushAside();
    } catch (error) {
      throw cannotWrite(this.partPath, error);
    }
  }

  /** Gives the file its name. Refuses to replace whatever has it already. */
  commit(path: string): Promise<void> {
    return this.#place(path, takeFreeName);
  }

  /** Gives the file its name, in place of the file or link that has it. */
  replace(path: string): Promise<void> {
    return this.#place(path, takeName);
  }

  async #place(path: string, take: (partPath: string, path: string) => Promise<void>): Promise<void> {
    try {
      await this.sync();
      await this.#handle.close();
      await take(this.partPath, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await rm(this.partPath, { force: true });
      throw error instanceof FerryError ? error : cannotWrite(path, error);
    }
  }

  async sync(): Promise<void> {
    await this.#flush;
    await this.#handle.sync();
  }

  #flushAside(): void {
    this.#unsynced = 0;
    this.#flush = this.#handle.datasync().then(() => (this.#flush = undefined));
    this.#flush.catch(() => undefined);
  }

  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(this.partPath, { force: true });
  }
}

/** Makes a rename or a new name in the directory last through a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function takeFreeName(partPath: string, path: string): Promise<void> {
  const taken = await linkOnce(partPath, path);
  if (taken === true) await rm(partPath);
  else {
    await refuseTaken(path);
    await rename(partPath, path);
  }
}

async function takeName(partPath: string, path: string): Promise<void> {
  await refuseSpecial(path);
  await rename(partPath, path);
}

/**
 * Nothing is opened to find out: opening a pipe that nobody writes to never returns.
 * @throws FerryError FILE_EXISTS (`refused`) when anything has the name, be it a link that leads nowhere
 */
export async function refuseTaken(
  path: string,
  hint = 'Move it away or choose another name; no file is overwritten.',
): Promise<void> {
  if ((await lstatIfThere(path)) === undefined) return;
  throw new FerryError({
    kind: 'refused',
    code: 'FILE_EXISTS',
    message: `${path} is there already.`,
    hint,
  });
}

/**
 * A device or a pipe in the place of which a file came would be missed by all others who use it.
 * @throws FerryError FILE_EXISTS (`refused`) when something else than a file or a link has the name
 */
export async function refuseSpecial(path: string): Promise<void> {
  const found = await lstatIfThere(path);
  if (found === undefined || found.isFile() || found.isSymbolicLink()) return;
  throw new FerryError({
    kind: 'refused',
    code: 'FILE_EXISTS',
    message: `${path} is ${found.isDirectory() ? 'a folder' : 'a device, a pipe or a socket'}, not a file.`,
    hint: 'Give the name of a file, or of one that is not there yet.',
  });
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'Free space on the disk, or choose another directory.',
  EDQUOT: 'Raise the disk quota, or choose another directory.',
  ENOENT: 'Create the directory first.',
  ENOTDIR: 'Give a directory.',
  EACCES: 'Run as a user who may write there, or choose another directory.',
  EEXIST: 'Another run is writing there, or was killed: when none is running, delete that file.',
  EROFS: 'The file system is read-only: choose another directory.',
};

/** @param fault Of the folder, which is all there is to say where it is missing. */
function cannotWrite(path: string, error: unknown, fault?: string): FerryError {
  const code = systemCode(error) ?? 'unknown error';
  return new FerryError({
    kind: 'failed',
    code: 'CANNOT_WRITE',
    message: fault ?? `${path} cannot be written (${code}).`,
    hint: remedies[code] ?? 'Check the disk and the directory.',
    cause: error,
  });
}
