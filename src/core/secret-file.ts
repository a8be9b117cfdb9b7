import { stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { FerryError, systemCode } from './errors.js';
import { readFileOrPipe } from './file-or-pipe.js';

const largestSecret = 64 * 1024;

/**
 * A password, API key or the like from a file, or from standard input for `-`. One line end at the end of it
 * is not part of the secret. `what` names it in errors; the secret itself never is.
 */
export async function readSecretFile(path: string, what: string): Promise<string> {
  const content = await readSmallSecretFile(path, what);
  const secret = content.replace(/\r?\n$/, '');
  if (secret === '') throw unusable(path, what, 'is empty');
  if (/[\n\r\0]/.test(secret)) throw unusable(path, what, 'holds more than one line');
  return secret;
}

/** True when others than the owner may read the file: worth a warning beside a secret. */
export async function isReadableByOthers(path: string): Promise<boolean> {
  return path !== '-' && ((await stat(path)).mode & 0o077) !== 0;
}

/** All of a file with secrets, or of standard input for `-`. */
export async function readSmallSecretFile(path: string, what: string): Promise<string> {
  if (path === '-') return text(process.stdin);
  try {
    return (await readFileOrPipe(path, largestSecret)).toString('utf8');
  } catch (error) {
    if (systemCode(error) === 'EFBIG') throw unusable(path, what, 'is larger than 64 KiB');
    throw unusable(path, what, `cannot be read (${systemCode(error) ?? 'unknown error'})`, error);
  }
}

function unusable(path: string, what: string, fault: string, cause?: unknown): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'SECRET_FILE_UNUSABLE',
    message: `The file with the ${what}, ${path === '-' ? 'standard input' : path}, ${fault}.`,
    hint: 'Give a file that holds the secret alone, on one line, readable by you only (chmod 600).',
    cause,
  });
}
