import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FerryError, systemCode } from '../core/errors.js';
import { faultOfFolder } from '../core/folder.js';
import { syncDirectory } from '../core/part-file.js';

/** 256 bits in letters, digits, `-` and `_`, which no shell, unit file or YAML reads as anything else. */
export function generatePassword(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * bcrypt, with which etcd keeps passwords, uses the first 72 bytes: older etcd then takes every password that
 * begins alike, and newer etcd refuses with an error about something else.
 */
export function refuseLongPassword(password: string, user: string): void {
  if (Buffer.byteLength(password) <= 72) return;
  throw new FerryError({
    kind: 'usage',
    code: 'PASSWORD_TOO_LONG',
    message: `The password for the etcd user ${user} is longer than the 72 bytes that etcd compares.`,
    hint: 'Use a shorter one.',
  });
}

/**
 * Writes a password to a new file with mode 0600, on the disk before it returns, so that no password is set
 * that is nowhere written down. Never overwrites.
 */
export async function writePasswordFile(path: string, password: string): Promise<void> {
  let created = false;
  try {
    const handle = await open(path, 'wx', 0o600);
    created = true;
    try {
      await handle.writeFile(`${password}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await syncDirectory(dirname(path));
  } catch (error) {
    if (created) await rm(path, { force: true });
    const noFolder = await faultOfFolder(dirname(path));
    throw new FerryError({
      kind: 'usage',
      code: 'PASSWORD_FILE_NOT_WRITTEN',
      message: `The new password file ${path} cannot be written${noFolder === undefined ? ` (${systemCode(error) ?? 'unknown error'}).` : `: ${noFolder}`}`,
      hint: 'Give a path in a directory that you may write to. Nothing was changed in etcd.',
      cause: error,
    });
  }
}
