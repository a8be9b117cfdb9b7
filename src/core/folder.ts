import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FerryError, systemCode } from './errors.js';

/**
 * Why nothing can lie in a folder, as a sentence that names what is missing, or what is in its way. The system's errors
 * name the file that was to be opened. Undefined where the folder is there, or cannot be looked at.
 */
export async function faultOfFolder(folder: string): Promise<string | undefined> {
  const found = await isDirectory(folder);
  if (found === true) return undefined;
  const inTheWay = found === false ? folder : await fileOnTheWayTo(folder);
  if (inTheWay !== undefined) return `${inTheWay} is not a folder.`;
  return found === 'missing' ? `There is no folder ${folder}.` : undefined;
}

/**
 * For a file that an option names, before the work whose result it is to hold.
 * @throws FerryError FOLDER_UNUSABLE (`usage`)
 */
export async function requireFolderOf(path: string): Promise<void> {
  const fault = await faultOfFolder(dirname(path));
  if (fault !== undefined) throw folderUnusable(fault);
}

/**
 * For a folder that an option names and that need not be there yet.
 * @throws FerryError FOLDER_UNUSABLE (`usage`) where a file is in the way
 */
export async function refuseFileOnTheWayTo(folder: string): Promise<void> {
  const inTheWay = await fileOnTheWayTo(folder);
  if (inTheWay !== undefined) throw folderUnusable(`${inTheWay} is not a folder.`);
}

/** With those that it lies in, all of one mode. @throws FerryError FOLDER_UNUSABLE (`usage`) */
export async function makeFolder(folder: string, mode = 0o777): Promise<void> {
  await refuseFileOnTheWayTo(folder);
  try {
    await mkdir(folder, { recursive: true, mode });
  } catch (error) {
    throw folderUnusable(`${folder} cannot be made (${systemCode(error) ?? 'unknown error'}).`, error);
  }
}

/** What is in the place of a folder or of one that it lies in, and is not a folder. Undefined when nothing is. */
export async function fileOnTheWayTo(folder: string): Promise<string | undefined> {
  for (let path = folder; ; path = dirname(path)) {
    const found = await isDirectory(path);
    if (found === false) return path;
    if (found === true || path === dirname(path)) return undefined;
  }
}

async function isDirectory(path: string): Promise<boolean | 'missing' | 'unknown'> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '') ? 'missing' : 'unknown';
  }
}

function folderUnusable(message: string, cause?: unknown): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'FOLDER_UNUSABLE',
    message,
    hint: 'Check the path, or make the folder first.',
    cause,
  });
}
