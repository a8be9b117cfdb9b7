import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../core/errors.js';
import { PartFile } from '../core/part-file.js';

/** A file of the backend as it was before the switch; undefined when there was none. */
export type Original = Buffer | undefined;

type Name = 'backend.yml' | 'environment';

const absentMark = '.absent';

/**
 * Keeps a copy in the run directory before the file is touched; it is there whole or not at all, as a rollback
 * believes it. A copy that is there already stays: a resumed run must not take its own work for the original.
 */
export async function keepOriginal(runDirectory: string, name: Name, path: string): Promise<void> {
  if ((await readOriginal(runDirectory, name)) !== 'not-kept') return;
  const content = await readIfThere(path);
  const copy = copyPath(runDirectory, name) + (content === undefined ? absentMark : '');
  await dropUnfinishedOriginal(runDirectory, name);
  const part = await PartFile.create(copy);
  try {
    await part.write(content ?? Buffer.alloc(0));
    await part.commit(copy);
  } catch (error) {
    await part.discard();
    throw error;
  }
}

/** What a killed run has left; the lock on the run directory says that none is at work. */
export async function dropUnfinishedOriginal(runDirectory: string, name: Name): Promise<void> {
  const copy = copyPath(runDirectory, name);
  for (const path of [copy, copy + absentMark]) await rm(`${path}.part`, { force: true });
}

/** `not-kept`: the file was never touched by this run. */
export async function readOriginal(runDirectory: string, name: Name): Promise<Original | 'not-kept'> {
  const copy = copyPath(runDirectory, name);
  const content = await readIfThere(copy);
  if (content !== undefined) return content;
  return (await readIfThere(copy + absentMark)) === undefined ? 'not-kept' : undefined;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const copyPath = (runDirectory: string, name: Name): string => join(runDirectory, `original-${name}`);
