import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { TempFile } from '../../core/temp-file.js';
import type { Environment } from '../../core/context.js';
import { FerryError, systemCode } from '../../core/errors.js';
import { formatBytes } from '../../core/units.js';
import type { ByteSink } from './archive-writer.js';

/**
 * A plain snapshot while it is worked on: bbolt's pages lie in no order, so what is in it is known only when it
 * is whole. A nameless file that is sealed unless the same bytes lie beside it in clear anyway.
 */
export class Spool implements ByteSink {
  readonly file: TempFile;
  readonly #folder: string;

  constructor(folder: string, content: 'sealed' | 'plain') {
    this.#folder = folder;
    try {
      this.file = new TempFile(folder, content);
    } catch (error) {
      throw cannotSpool(folder, error);
    }
  }

  write(bytes: Buffer): Promise<void> {
    try {
      this.file.append(bytes, bytes.length);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(cannotSpool(this.#folder, error));
    }
  }

  /** @throws FerryError CANNOT_SPOOL when the disk has no room for so many bytes */
  async expectRoom(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize < bytes) throw noRoom(this.#folder, bytes, bavail * bsize);
  }

  close(): void {
    this.file.close();
  }
}

/** For files of some size: where the system keeps temporary files in memory, `/tmp` is no place for them. */
export function largeTempFolder(env: Environment): string {
  return env['TMPDIR'] || (existsSync('/var/tmp') ? '/var/tmp' : tmpdir());
}

function noRoom(folder: string, bytes: number, free: number): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'CANNOT_SPOOL',
    message: `A temporary file in ${folder} needs ${formatBytes(bytes)}, and ${formatBytes(free)} are free.`,
    hint: roomHint,
  });
}

const roomHint = 'It takes as much room as the store: free some, or set TMPDIR to a folder that has it.';

function cannotSpool(folder: string, error: unknown): FerryError {
  const code = systemCode(error) ?? 'unknown error';
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new FerryError({
    kind: 'failed',
    code: 'CANNOT_SPOOL',
    message: `A temporary file in ${folder} cannot be written (${code}).`,
    hint: full ? roomHint : 'Check the folder and its permissions, or set TMPDIR to another one.',
    cause: error,
  });
}
