import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { FerryError, systemCode } from './errors.js';

/** For `openPlainFile`: a link may lead anywhere. */
export const throughNoLink = constants.O_NOFOLLOW;

/**
 * Opens a file that must be there and be a plain one: opening a pipe would wait for ever.
 * @param flags Of `open`, such as `O_WRONLY | O_APPEND`
 * @throws FerryError NOT_A_PLAIN_FILE (`refused`), or the system's error
 */
export async function openPlainFile(path: string, flags: number): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, flags | constants.O_NONBLOCK);
  } catch (error) {
    const code = systemCode(error) ?? '';
    if (code === 'ELOOP') throw notPlain(path, 'is a symbolic link');
    // A pipe that nobody reads, or a socket.
    if (code === 'ENXIO') throw notPlain(path, 'is not a plain file');
    throw error;
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw notPlain(path, 'is not a plain file');
}

/** @throws as `openPlainFile` */
export async function readPlainFile(path: string, flags = throughNoLink): Promise<Buffer> {
  const handle = await openPlainFile(path, constants.O_RDONLY | flags);
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

function notPlain(path: string, fault: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'NOT_A_PLAIN_FILE',
    message: `${path} ${fault}.`,
    hint: 'Look at who has put it there, and remove it.',
  });
}
