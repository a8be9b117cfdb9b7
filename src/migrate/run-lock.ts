import { readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FerryError, systemCode } from '../core/errors.js';

export interface RunLock {
  release(): Promise<void>;
}

interface Holder {
  readonly host: string;
  readonly pid: number;
  /** Tells a process from a later one that was given the same id. */
  readonly startedAt: string;
}

/**
 * One process at a time works in a run directory. The lock of a process that is dead is taken over. It is a symbolic
 * link that leads nowhere and names its holder: made in one step, it is never half written, and a full disk, from
 * which a rollback must still be possible, has room for it.
 */
export async function takeRunLock(directory: string): Promise<RunLock> {
  const path = join(directory, 'lock');
  const mine = `${process.pid} ${await startOf(process.pid)} ${hostname()}`;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    if (await createExclusively(path, mine)) {
      return { release: () => rm(path, { force: true }) };
    }
    const holder = await readHolder(path);
    if (holder !== undefined && (await isAlive(holder))) throw locked(directory, holder);
    await moveAside(path);
  }
  throw locked(directory, undefined);
}

async function createExclusively(path: string, content: string): Promise<boolean> {
  try {
    await symlink(content, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw notTaken(path, error);
  }
}

/** Of two processes that find the same dead holder, the rename lets only one go on to the next attempt's file. */
async function moveAside(path: string): Promise<void> {
  const aside = `${path}.dead-${process.pid}`;
  await rename(path, aside).catch(() => undefined);
  await rm(aside, { force: true });
}

async function readHolder(path: string): Promise<Holder | undefined> {
  const words = (await readlink(path).catch(() => '')).split(' ');
  const [pid, startedAt, host] = words;
  if (startedAt === undefined || host === undefined) return undefined;
  return { pid: Number(pid), startedAt, host };
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true;
  return (await startOf(holder.pid)) === holder.startedAt;
}

/** The start time of a process in clock ticks since boot, from field 22 of `/proc/<pid>/stat`; `''` when it is gone. */
async function startOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function locked(directory: string, holder: Holder | undefined): FerryError {
  const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`;
  return new FerryError({
    kind: 'locked',
    code: 'RUN_LOCKED',
    message: `${who} is at work in ${directory}.`,
    hint: 'Wait until it has ended, or stop it.',
  });
}

function notTaken(path: string, cause: unknown): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'RUN_LOCK_NOT_TAKEN',
    message: `The lock ${path} cannot be made (${systemCode(cause) ?? 'unknown error'}).`,
    hint: 'Check the disk and the rights of the run directory; it must be on a file system with symbolic links.',
    cause,
  });
}
