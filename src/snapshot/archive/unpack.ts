import { basename, dirname } from 'node:path';
import { stat } from 'node:fs/promises';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { DirectoryStorage } from '../../storage/directory.js';
import type { Storage } from '../../storage/storage.js';
import { readArchive } from './archive-reader.js';
import { readManifest } from './archive-tail.js';
import type { DecryptionKeys } from '../../age/encryption.js';
import type { Manifest } from './manifest.js';
import type { Spool } from './spool.js';

/** An archive where it lies. */
export interface StoredArchive {
  /** For people. */
  readonly path: string;
  readonly storage: Storage;
  readonly name: string;
  /** Of the file; undefined when the place does not tell it. */
  size(signal: AbortSignal): Promise<number | undefined>;
}

export function archiveAt(path: string): StoredArchive {
  const storage = new DirectoryStorage(dirname(path));
  return { path, storage, name: basename(path), size: async () => (await stat(path)).size };
}

export function archiveIn(path: string, storage: Storage, name: string): StoredArchive {
  return { path, storage, name, size: (signal) => listedSize(storage, name, signal) };
}

async function listedSize(storage: Storage, name: string, signal: AbortSignal): Promise<number | undefined> {
  for await (const file of storage.list(signal)) if (file.name === name) return file.size;
  return undefined;
}

/** What is left free on the disk when an archive does not tell how large it will be. */
const reserveBytes = 512 * 1024 * 1024;
const lookEvery = 64 * 1024 * 1024;

/**
 * Unpacks an archive into the spool. A small file can hold very much: its manifest, at its end, is read first, and is
 * kept to; the disk must have room for what it tells. Of a damaged one that does not tell, a reserve is left free.
 * @param count Is told the length of each piece that was read of the file.
 * @throws FerryError as `readArchive`; CANNOT_SPOOL
 */
export async function unpackArchive(
  { signal }: Pick<Context, 'signal'>,
  archive: StoredArchive,
  spool: Spool,
  { keys, count = () => undefined }: UnpackOptions = {},
): Promise<Manifest> {
  const told = await toldSize(archive, signal);
  await spool.expectRoom(told ?? reserveBytes);
  let written = 0;
  const sink = {
    write: async (bytes: Buffer): Promise<void> => {
      const before = written;
      written += bytes.length;
      const isTime = Math.floor(before / lookEvery) < Math.floor(written / lookEvery);
      if (told === undefined && isTime) await spool.expectRoom(reserveBytes);
      await spool.write(bytes);
    },
  };
  const bytes = counted(archive.storage.read(archive.name, signal), count);
  return readArchive({ path: archive.path, bytes }, sink, keys, told);
}

export interface UnpackOptions {
  readonly keys?: DecryptionKeys | undefined;
  readonly count?: (length: number) => void;
}

/** Whatever is wrong with its end is found when it is read to there. */
async function toldSize(archive: StoredArchive, signal: AbortSignal): Promise<number | undefined> {
  try {
    const { storage, name } = archive;
    const size = await archive.size(signal);
    if (size === undefined) return undefined;
    const manifest = await readManifest(storage, { name, size }, signal);
    return manifest.plain.size;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FerryError && error.kind !== 'unreachable') return undefined;
    throw error;
  }
}

async function* counted(
  bytes: AsyncIterable<Buffer>,
  count: (length: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    count(chunk.length);
    yield chunk;
  }
}
