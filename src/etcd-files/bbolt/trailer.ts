import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { CorruptFileError } from '../corrupt.js';
import { FileWindow, readExactly } from './file-window.js';
import { hasMetaPage } from './meta.js';
import type { OpenFile } from '../../core/temp-file.js';

/** What `checkTrailer` has found; a trailer that does not fit is an error instead. */
export type TrailerCheck =
  | {
      readonly trailer: 'matches';
      /** sha256 of the bytes before the trailer, in hex. */ readonly sha256: string;
    }
  /** A bare `db` file: etcd puts the trailer at the end of a snapshot only. */
  | { readonly trailer: 'absent' };

export const sha256Length = 32;
const sectorLength = 512;
const largeRead = 1024 * 1024;

/**
 * Length of the trailer of a file of this size. bbolt's files are made of whole pages, so 32 bytes beyond a
 * multiple of 512 are etcd's sha256: the same rule as `etcdctl snapshot restore` has.
 */
export function trailerLength(fileSize: number): number {
  return fileSize % sectorLength === sha256Length ? sha256Length : 0;
}

/**
 * Reads the file once and compares its sha256 with the one at its end. etcd's own tools, `snapshot restore`
 * apart, only look whether a trailer is there.
 * @throws CorruptFileError EMPTY_FILE, NOT_BBOLT, TRAILER_MISMATCH; SNAPSHOT_TRUNCATED when the size is none that a bbolt
 * file or a snapshot can have; or the system's error.
 */
export async function checkTrailer(source: string | NamedFile): Promise<TrailerCheck> {
  if (typeof source !== 'string') return checkTrailerOf(source);
  const fd = openSync(source, 'r');
  try {
    return await checkTrailerOf({ fd, path: source });
  } finally {
    closeSync(fd);
  }
}

/** An open file, and what it is called in messages. */
interface NamedFile {
  readonly fd: OpenFile;
  readonly path: string;
}

async function checkTrailerOf({ fd, path }: NamedFile): Promise<TrailerCheck> {
  const size = sizeOfBbolt(fd, path);
  if (size % sectorLength === 0) return { trailer: 'absent' };
  if (trailerLength(size) === 0) {
    const what = `is ${size} bytes long, which neither a snapshot nor a db file can be: it was cut short`;
    throw new CorruptFileError('SNAPSHOT_TRUNCATED', path, what);
  }
  const hash = createHash('sha256');
  const bytes = Buffer.allocUnsafeSlow(largeRead);
  const end = size - sha256Length;
  for (let at = 0; at < end; at += largeRead) {
    const length = Math.min(largeRead, end - at);
    readExactly(fd, path, bytes, 0, length, at);
    hash.update(bytes.subarray(0, length));
    // Ctrl-C is heard, and requests in flight get their turn.
    await setImmediate();
  }
  const stored = Buffer.alloc(sha256Length);
  readExactly(fd, path, stored, 0, sha256Length, end);
  const sha256 = hash.digest('hex');
  if (stored.toString('hex') !== sha256) {
    const what = 'does not have the sha256 that its last 32 bytes give: it was damaged or cut short';
    throw new CorruptFileError('TRAILER_MISMATCH', path, what);
  }
  return { trailer: 'matches', sha256 };
}

/** Length of the file, trailer included. Neither its size nor a trailer says anything of another program's file. */
function sizeOfBbolt(fd: OpenFile, path: string): number {
  const file = new FileWindow(fd, path);
  if (file.size === 0) throw new CorruptFileError('EMPTY_FILE', path, 'is empty');
  if (hasMetaPage(file)) return file.size;
  throw new CorruptFileError('NOT_BBOLT', path, 'is not a bbolt file: it has no meta page');
}
