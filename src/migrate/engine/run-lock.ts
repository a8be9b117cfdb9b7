import { join } from 'node:path';
import { FerryError, systemCode } from '../../core/errors.js';
import { findLinkHolder, isHeld, takeLinkLock, type HeldLock, type LinkLock } from '../../host/link-lock.js';

/**
 * One process at a time works in a run directory. The lock of one that is gone, or is from before this machine was
 * last started, is taken over at once; that of one that may still work never is, however old it is.
 * @throws FerryError RUN_LOCKED (`locked`), RUN_LOCK_NOT_TAKEN (`failed`)
 */
export async function takeRunLock(directory: string): Promise<LinkLock> {
  const path = join(directory, 'lock');
  const taken = await takeLinkLock(path, { signal: new AbortController().signal }).catch((error: unknown) => {
    throw notTaken(path, error);
  });
  if (isHeld(taken)) throw locked(directory, taken);
  return taken;
}

/** @throws FerryError RUN_LOCKED (`locked`) while a process may be working there */
export async function refuseLockedRun(directory: string): Promise<void> {
  const held = await findLinkHolder(join(directory, 'lock'));
  if (held !== undefined) throw locked(directory, held);
}

/** Who is, or may be, working in the directory; undefined when nobody is. */
export async function findWorker(directory: string): Promise<string | undefined> {
  const held = await findLinkHolder(join(directory, 'lock'));
  return held && nameOf(held);
}

const nameOf = ({ holder }: HeldLock): string =>
  holder === undefined ? 'Another process' : `Process ${holder.pid} on ${holder.host}`;

function locked(directory: string, held: HeldLock): FerryError {
  const { state, file } = held;
  const who = nameOf(held);
  if (state === 'running') {
    return new FerryError({
      kind: 'locked',
      code: 'RUN_LOCKED',
      message: `${who} is working in ${directory}.`,
      hint: `Wait until it has ended, or stop it. If that process is not sensu-ferry, remove ${file}.`,
    });
  }
  return new FerryError({
    kind: 'locked',
    code: 'RUN_LOCKED',
    message: `${who} may be working in ${directory}: from here it cannot be seen whether it still runs.`,
    hint: `Look for it on that host, or in its container. When it has ended, remove ${file}.`,
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
