import { createReadStream, type Dirent } from 'node:fs';
import { lstat, open, opendir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { FerryError, systemCode } from '../core/errors.js';
import { faultOfFolder } from '../core/folder.js';
import { linkOnce } from '../core/link-once.js';
import { PartFile, syncDirectory } from '../core/part-file.js';
import { fileExists, missingFile, refuseBadName } from './names.js';
import type { ByteRange, Storage, StorageWriter, StoredFile } from './storage.js';

const largeRead = 1024 * 1024;

/** A folder, local or on a file server. It must exist. */
export class DirectoryStorage implements Storage {
  readonly location: string;
  readonly remote = false;

  constructor(path: string) {
    this.location = path;
  }

  pathOf(name: string): string {
    return join(this.location, name);
  }

  /** A folder that is missing is found out by its first use. */
  async isWritableByOthers(): Promise<boolean> {
    const found = await stat(this.location).catch(() => undefined);
    return found !== undefined && (found.mode & 0o022) !== 0;
  }

  async has(name: string): Promise<boolean> {
    return (await this.#statIfThere(name)) !== undefined;
  }

  async *list(signal: AbortSignal): AsyncGenerator<StoredFile> {
    for await (const name of this.#fileNames(signal)) {
      if (name.endsWith('.part')) continue;
      const file = await this.#statIfThere(name);
      if (file !== undefined) yield file;
    }
  }

  async *read(name: string, signal: AbortSignal, range?: ByteRange): AsyncGenerator<Buffer> {
    if (range !== undefined && range.end <= range.start) return;
    const bytes = createReadStream(this.#checkedPath(name), {
      highWaterMark: largeRead,
      signal,
      ...(range && { start: range.start, end: range.end - 1 }),
    });
    try {
      for await (const chunk of bytes) yield chunk as Buffer;
    } catch (error) {
      signal.throwIfAborted();
      if (systemCode(error) === 'ENOENT') throw missingFile(this.location, name, error);
      throw unreadable(this.#checkedPath(name), error);
    }
  }

  async create(name: string, signal: AbortSignal): Promise<DirectoryWriter> {
    signal.throwIfAborted();
    refuseBadName(name);
    return new DirectoryWriter(this, name, await this.#newPart());
  }

  async put(name: string, content: Buffer, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const part = await this.#newPart();
    try {
      await part.write(content);
      await part.replace(this.#checkedPath(name));
    } catch (error) {
      await part.discard();
      throw error;
    }
  }

  /** By a hard link, which is one step on file servers too; the file never lies there half written. */
  async putIfAbsent(name: string, content: Buffer, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const path = this.#checkedPath(name);
    const part = await this.#newPart();
    try {
      await part.write(content);
      await part.sync();
      const made = (await linkOnce(part.partPath, path)) ?? (await writeNew(path, content));
      if (made) await syncDirectory(this.location);
      return made;
    } catch (error) {
      throw error instanceof FerryError ? error : unwritable(path, error);
    } finally {
      await part.discard();
    }
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    try {
      await rm(this.#checkedPath(name), { force: true });
      await syncDirectory(this.location);
    } catch (error) {
      throw unwritable(this.#checkedPath(name), error);
    }
  }

  async removeUnfinished(before: Date, signal: AbortSignal): Promise<void> {
    for await (const name of this.#fileNames(signal)) {
      if (!name.startsWith(partPrefix) || !name.endsWith('.part')) continue;
      const file = await this.#statIfThere(name);
      if (file !== undefined && file.modifiedAt < before) await this.remove(name, signal);
    }
  }

  #checkedPath(name: string): string {
    refuseBadName(name);
    return this.pathOf(name);
  }

  #newPart(): Promise<PartFile> {
    return PartFile.create(join(this.location, `${partPrefix}${randomBytes(9).toString('hex')}`));
  }

  async *#fileNames(signal: AbortSignal): AsyncGenerator<string> {
    try {
      for await (const entry of await opendir(this.location)) {
        signal.throwIfAborted();
        if (isFile(entry)) yield entry.name;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw unreadable(this.location, error, await faultOfFolder(this.location));
    }
  }

  /** Undefined when it has gone since it was listed. */
  async #statIfThere(name: string): Promise<StoredFile | undefined> {
    try {
      const { size, mtime } = await lstat(this.pathOf(name));
      return { name, size, modifiedAt: mtime };
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw unreadable(this.pathOf(name), error);
    }
  }
}

const partPrefix = '.sensu-ferry-';

const isFile = (entry: Dirent): boolean => entry.isFile();

class DirectoryWriter implements StorageWriter {
  readonly #directory: DirectoryStorage;
  readonly #part: PartFile;
  #name: string;
  #done = false;

  constructor(directory: DirectoryStorage, name: string, part: PartFile) {
    this.#directory = directory;
    this.#name = name;
    this.#part = part;
  }

  get size(): number {
    return this.#part.size;
  }

  /** What was written can be read from it. */
  get fd(): number {
    return this.#part.fd;
  }

  write(chunk: Buffer): Promise<void> {
    return this.#part.write(chunk);
  }

  /**
   * A file in a folder needs no name before it is committed.
   * @returns The name.
   * @throws FerryError FILE_EXISTS, after which it can have another
   */
  async rename(name: string): Promise<string> {
    refuseBadName(name);
    if (await this.#directory.has(name)) throw fileExists(this.#directory.location, name);
    this.#name = name;
    return name;
  }

  async commit(): Promise<void> {
    await this.#part.commit(this.#directory.pathOf(this.#name));
    this.#done = true;
  }

  async abort(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    await this.#part.discard();
  }
}

async function writeNew(path: string, content: Buffer): Promise<boolean> {
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** @param noFolder Why there is no folder to read, where there is none. */
function unreadable(path: string, error: unknown, noFolder?: string): unknown {
  const code = systemCode(error);
  if (code === undefined || error instanceof FerryError) return error;
  const isMissing = noFolder !== undefined;
  return new FerryError({
    kind: isMissing ? 'usage' : 'source',
    code: isMissing ? 'LOCATION_MISSING' : 'LOCATION_UNREADABLE',
    message: noFolder ?? `${path} cannot be read (${code}).`,
    hint: isMissing
      ? 'Check the path, or create the folder first.'
      : 'Check the permissions, or run as root.',
    cause: error,
  });
}

function unwritable(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  return new FerryError({
    kind: 'failed',
    code: 'CANNOT_WRITE',
    message: `${path} cannot be written or removed (${code}).`,
    hint: 'Check the permissions and the disk.',
    cause: error,
  });
}
