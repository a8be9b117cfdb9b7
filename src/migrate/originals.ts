import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FerryError, systemCode } from '../core/errors.js';
import { PartFile } from '../core/part-file.js';
import type { RunState } from './engine/journal.js';
import { readRunFile } from './engine/run-directory.js';

/** A file of the backend as it was before the switch; undefined when there was none. */
export type Original = Buffer | undefined;

type Name = 'backend.yml' | 'environment';

const absentMark = '.absent';
const modeMark = '.mode';

/**
 * Keeps a copy in the run directory before the file is touched; it is there whole or not at all, as a rollback
 * believes it. A copy that is there already stays: a resumed run must not take its own work for the original.
 */
export async function keepOriginal(runDirectory: string, name: Name, path: string): Promise<void> {
  if ((await readOriginal(runDirectory, name)) !== 'not-kept') return;
  const content = await readIfThere(path);
  const copy = copyPath(runDirectory, name);
  await dropUnfinishedOriginal(runDirectory, name);
  if (content === undefined) return write(copy + absentMark, '');
  // Before the copy, whose presence says that all of this is there.
  await write(copy + modeMark, ((await stat(path)).mode & 0o777).toString(8));
  await write(copy, content);
}

async function write(path: string, content: string | Buffer): Promise<void> {
  const part = await PartFile.create(path);
  try {
    await part.write(Buffer.from(content));
    await part.replace(path);
  } catch (error) {
    await part.discard();
    throw error;
  }
}

/** What a killed run has left; the lock on the run directory says that none is at work. */
export async function dropUnfinishedOriginal(runDirectory: string, name: Name): Promise<void> {
  const copy = copyPath(runDirectory, name);
  for (const path of [copy, copy + absentMark, copy + modeMark]) await rm(`${path}.part`, { force: true });
}

/** `not-kept`: the file was never touched by this run. */
export async function readOriginal(runDirectory: string, name: Name): Promise<Original | 'not-kept'> {
  const content = await readRunFile(runDirectory, copyName(name));
  if (content !== undefined) return content;
  return (await readRunFile(runDirectory, copyName(name) + absentMark)) === undefined
    ? 'not-kept'
    : undefined;
}

/** Undefined where a run of an earlier release has kept none. */
export async function readOriginalMode(runDirectory: string, name: Name): Promise<number | undefined> {
  const text = (await readRunFile(runDirectory, copyName(name) + modeMark))?.toString('latin1') ?? '';
  return /^[0-7]{1,3}$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

/**
 * After the switch only these copies tell what the backend was: without them the external etcd would pass for its old
 * store, and a rollback for done.
 * @throws FerryError ORIGINALS_LOST (`refused`)
 */
export async function refuseLostOriginals(run: RunState, runDirectory: string): Promise<void> {
  const { facts, outcome, settings } = run;
  if (facts.configure === undefined || outcome === 'rolled-back' || outcome === 'given-up') return;
  const switched: readonly [Name, string][] = [
    ['backend.yml', settings.backendConfig],
    ...(settings.auth === 'password' && settings.sensuPasswordFile !== undefined
      ? [['environment', settings.envFile] as [Name, string]]
      : []),
  ];
  for (const [name, path] of switched) {
    if ((await readOriginal(runDirectory, name)) === 'not-kept') throw lost(runDirectory, name, path);
  }
}

function lost(runDirectory: string, name: Name, path: string): FerryError {
  const copy = copyPath(runDirectory, name);
  return new FerryError({
    kind: 'refused',
    code: 'ORIGINALS_LOST',
    message: `${copy} is gone: nothing tells what ${path} was before the migration. Nothing was changed.`,
    hint: `The old file was also kept beside ${path}, with a time and .bak behind its name. Copy it to ${copy}, mode 600, and try again.`,
  });
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const copyName = (name: Name): string => `original-${name}`;
const copyPath = (runDirectory: string, name: Name): string => join(runDirectory, copyName(name));
