import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { identifyThisProcess, lookForProcess } from '../../host/process-identity.js';
import { NumberedLock, type InTheWay, type SeenLock } from '../../core/numbered-lock.js';
import type { Storage } from '../../storage/storage.js';
import { isDenied, lockName, StoredLockFiles } from './lock-files.js';
import type { Holder } from './lock-holder.js';

/** One run at a time has it. How two never do: docs/decisions/0004-locks-on-storages.md. */
export interface StorageLock {
  /** Aborted when the caller's is, and when another run has taken the lock over. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

export interface LockTimes {
  readonly refreshMs: number;
  /** A lock that was not refreshed for so long counts no more, whoever holds it. */
  readonly staleMs: number;
}

const usual: LockTimes = { refreshMs: 60_000, staleMs: 15 * 60_000 };

/** @throws FerryError LOCKED (`locked`), naming who has it; S3_LIST_INCOMPLETE (`failed`) */
export async function takeLock(
  { clock, signal }: Pick<Context, 'clock' | 'signal'>,
  storage: Storage,
  times: LockTimes = usual,
): Promise<StorageLock> {
  const holder: Holder = {
    host: hostname(),
    ...(await identifyThisProcess()),
    since: clock.now().toISOString(),
    token: randomBytes(16).toString('hex'),
  };
  const files = new StoredLockFiles(storage, holder.token);
  const content = Buffer.from(`${JSON.stringify(holder, null, 2)}\n`);
  const isDead = (seen: SeenLock): Promise<boolean> => isAbandoned(files, seen, times.staleMs, signal);
  const lock = new NumberedLock(files, content, isDead);
  const other = await lock.take(signal);
  if (other !== undefined) {
    if (other.lock === undefined) await files.refuseUnlisted(other.number, signal);
    throw await locked(storage, other, times.staleMs);
  }
  const refresh = async (stop: AbortSignal): Promise<boolean> => {
    const number = await lock.held(stop);
    if (number !== undefined) await storage.put(lockName(number), content, stop);
    return number !== undefined;
  };
  return keep({ location: storage.location, lock, refresh }, times.refreshMs, signal);
}

/**
 * The same for work that does no harm beside another's. Credentials that may do nothing but write are good ones for a
 * backup, and cannot lock: it is then done without.
 */
export async function takeLockIfPermitted(
  context: Context,
  storage: Storage,
): Promise<StorageLock | undefined> {
  try {
    return await takeLock(context, storage);
  } catch (error) {
    if (!isDenied(error)) throw error;
    context.report.info(`${storage.location} cannot be locked with these credentials.`);
    return undefined;
  }
}

/** Does the work while the lock is held, and lets go of it however the work ends. */
export async function whileLocked<Result>(
  context: Context,
  lock: StorageLock | undefined,
  work: (context: Context) => Promise<Result>,
): Promise<Result> {
  if (lock === undefined) return work(context);
  try {
    return await work({ ...context, signal: lock.signal });
  } catch (error) {
    lock.signal.throwIfAborted();
    throw error;
  } finally {
    await lock.release();
  }
}

interface Kept {
  readonly location: string;
  readonly lock: NumberedLock;
  /** False when the lock is another's now, as after a long sleep of this machine. */
  readonly refresh: (signal: AbortSignal) => Promise<boolean>;
}

/** Refreshes the lock until it is released or lost. */
function keep({ location, lock, refresh }: Kept, refreshMs: number, signal: AbortSignal): StorageLock {
  const lost = new AbortController();
  const released = new AbortController();
  let refreshing = Promise.resolve();
  const timer = setInterval(() => {
    refreshing = refreshing
      .then(() => refresh(released.signal))
      .then((mine) => {
        if (!mine && !released.signal.aborted) lost.abort(lockLost(location));
      })
      // A server that is away for a while: there is time for more than one try.
      .catch(() => undefined);
  }, refreshMs);
  timer.unref();
  return {
    signal: AbortSignal.any([signal, lost.signal]),
    release: async () => {
      clearInterval(timer);
      released.abort();
      await refreshing;
      // One that cannot be removed is a dead run's from now on, and is taken over as such. Of a lost one, too, a
      // refresh that was under way may have made the file anew. The caller's signal may be aborted by now.
      await lock.remove(AbortSignal.timeout(10_000)).catch(() => undefined);
    },
  };
}

/**
 * Its process is gone, or it was not refreshed for long, even if a process runs that it names: a lock that somebody has
 * planted may name any. A time in the future is as old as one in the past.
 */
async function isAbandoned(
  files: StoredLockFiles,
  { content, modifiedAt }: SeenLock,
  staleMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { parseHolder } = await import('./lock-holder.js');
  const holder = parseHolder(content);
  if (holder !== undefined && (await lookForProcess(holder)) === 'gone') return true;
  const now = await files.now(signal);
  return now !== undefined && Math.abs(now.getTime() - modifiedAt.getTime()) >= staleMs;
}

async function locked(storage: Storage, { number, lock }: InTheWay, staleMs: number): Promise<FerryError> {
  const { parseHolder } = await import('./lock-holder.js');
  const holder = lock && parseHolder(lock.content);
  const who =
    holder === undefined ? 'Another run' : `Process ${holder.pid} on ${holder.host} (since ${holder.since})`;
  const file = storage.pathOf(lockName(number));
  return new FerryError({
    kind: 'locked',
    code: 'LOCKED',
    message: `${who} is at work in ${storage.location}.`,
    hint: `Wait until it has ended. If it has died, its lock expires after ${staleMs / 60_000} minutes: wait for that, or remove ${file}.`,
  });
}

function lockLost(location: string): FerryError {
  return new FerryError({
    kind: 'locked',
    code: 'LOCK_LOST',
    message: `Another run took over the lock on ${location}, because this run did not renew it in time.`,
    hint: 'Nothing is broken. Run it again when the other one has ended.',
  });
}
