import { stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { FerryError, systemCode } from './errors.js';
import { readFileOrPipe } from './file-or-pipe.js';

const largestSecret = 64 * 1024;

/** A secret that is given in the place of the path of its file. */
const secretTexts = /-----BEGIN |AGE-SECRET-KEY-/;

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
  refuseTextForPath(
    path,
    'SECRET_FILE_UNUSABLE',
    `Expected the path of a file with the ${what}, not its text.`,
  );
  try {
    return (await readFileOrPipe(path, largestSecret)).toString('utf8');
  } catch (error) {
    if (systemCode(error) === 'EFBIG') throw unusable(path, what, 'is larger than 64 KiB');
    throw unusable(path, what, `cannot be read (${systemCode(error) ?? 'unknown error'})`, error);
  }
}

/**
 * For an option that names a file: the text of one in the place of its path is not repeated.
 * @throws FerryError with this code and message (`usage`)
 */
export function refuseTextForPath(path: string, code: string, message: string): void {
  if (!secretTexts.test(path)) return;
  throw new FerryError({
    kind: 'usage',
    code,
    message,
    hint: 'Write the text into a file that only you can read, and give its path. What was on a command line is no longer a secret.',
  });
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
