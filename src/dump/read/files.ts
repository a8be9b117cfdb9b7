import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../core/context.js';
import { systemCode } from '../../core/errors.js';
import { inChunks } from '../../core/chunks.js';
import { decrypt, type DecryptionKeys } from '../../age/encryption.js';
import { fileError } from './place.js';

/** A file of a dump, or standard input as `-`. */
export interface DumpFile {
  readonly path: string;
  /** In clear, in pieces that are valid until the next is asked for. */
  readonly pieces: () => AsyncIterable<Buffer>;
}

const dumpNames = /\.(ya?ml|json|ndjson)(\.age)?$/;

/**
 * The files of a dump: the one, or all of a folder that are named like a dump, by name.
 * @throws FerryError DUMP_NOT_FOUND, DUMP_EMPTY (`source`)
 */
export async function filesOfDump(
  path: string,
  context: Context,
  keys: DecryptionKeys,
): Promise<readonly DumpFile[]> {
  const paths = path === '-' ? [path] : await pathsOf(path);
  return paths.map((file) => ({
    path: file,
    pieces: () => inChunks(inClear(file, read(file, context.signal), keys)),
  }));
}

async function pathsOf(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (found.isFile()) return [path];
  // Opening a pipe that nobody writes to never returns, not even at Ctrl-C.
  if (!found.isDirectory()) {
    throw fileError(path, 'is neither a file nor a folder', {
      code: 'DUMP_NOT_FOUND',
      hint: 'Give - to read standard input.',
    });
  }
  const paths = await listFolder(path);
  if (paths.length > 0) return paths;
  throw fileError(path, 'holds no file whose name ends with .yml, .yaml, .json or .ndjson', {
    code: 'DUMP_EMPTY',
    hint: 'Give the folder that dump --split has written.',
  });
}

/** Hidden names are none of a dump: the folder may be one of Git. */
async function listFolder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const visible = entries.filter(({ name }) => !name.startsWith('.'));
  visible.sort((one, other) => Buffer.compare(Buffer.from(one.name), Buffer.from(other.name)));
  const paths: string[] = [];
  for (const entry of visible) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) paths.push(...(await listFolder(path)));
    else if (entry.isFile() && dumpNames.test(entry.name)) paths.push(path);
  }
  return paths;
}

async function* read(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const stream = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 1024 * 1024 });
  const stop = (): void => {
    stream.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) yield piece;
    signal.throwIfAborted();
  } catch (error) {
    signal.throwIfAborted();
    throw unreadable(path, error);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const encryptedStart = Buffer.from('age-encryption.org/');
const armoredStart = Buffer.from('-----BEGIN AGE');

async function* inClear(
  path: string,
  stored: AsyncGenerator<Buffer>,
  keys: DecryptionKeys,
): AsyncGenerator<Buffer> {
  const start: Buffer[] = [];
  for (let length = 0; length < encryptedStart.length;) {
    const next = await stored.next();
    if (next.done === true) break;
    start.push(next.value);
    length += next.value.length;
  }
  const head = Buffer.concat(start);
  const all = withStart(head, stored);
  if (startsWith(head, armoredStart)) throw armored(path);
  if (!startsWith(head, encryptedStart)) {
    yield* all;
    return;
  }
  if (keys.identities.length + keys.passphrases.length === 0) throw encrypted(path);
  yield* decrypt(all, keys, (fault, cause) =>
    Promise.resolve(fault === 'no key fits' ? noKeyFits(path, cause) : damagedCipher(path, cause)),
  );
}

function startsWith(bytes: Buffer, start: Buffer): boolean {
  return bytes.subarray(0, start.length).equals(start);
}

async function* withStart(start: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield start;
  yield* rest;
}

function unreadable(path: string, cause: unknown) {
  return fileError(path, `cannot be read (${systemCode(cause) ?? 'unknown error'})`, {
    code: 'DUMP_NOT_FOUND',
    hint: 'Give the file or folder that dump has written, or - for standard input.',
    cause,
  });
}

function encrypted(path: string) {
  return fileError(path, 'is encrypted', {
    kind: 'denied',
    code: 'DUMP_ENCRYPTED',
    hint: 'Add --identity-file or --passphrase-file, whichever it was made for.',
  });
}

function armored(path: string) {
  return fileError(path, 'is encrypted, and written as text (armored)', {
    kind: 'denied',
    code: 'DUMP_ENCRYPTED',
    hint: 'Decrypt it with age first, and pass it on to --from -.',
  });
}

function noKeyFits(path: string, cause: unknown) {
  return fileError(path, 'is encrypted for somebody else: neither identity nor passphrase fits', {
    kind: 'denied',
    code: 'KEY_DOES_NOT_FIT',
    hint: 'Give the identity of one of the recipients, or the passphrase.',
    cause,
  });
}

function damagedCipher(path: string, cause: unknown) {
  return fileError(path, 'cannot be decrypted: it was changed, or is cut short', {
    kind: 'integrity',
    code: 'DUMP_DAMAGED',
    hint: 'Take another copy of the dump; nothing was changed.',
    cause,
  });
}
