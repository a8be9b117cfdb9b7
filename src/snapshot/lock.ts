import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { buffer } from 'node:stream/consumers';
import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { identifyThisProcess, lookForProcess } from '../core/process-identity.js';
import type { Storage, StoredFile } from '../storage/storage.js';
import type { Holder } from './lock-holder.js';

/** One run at a time has it. How two never do: docs/decisions/0004-locks-on-storages.md. */
export interface StorageLock {
  /** Aborted when the caller's is, and when another run has taken the lock over. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

export interface LockTimes {
  readonly refreshMs: number;
  /** A lock that was not refreshed for so long is a dead run's, wherever that was. */
  readonly staleMs: number;
}

const usual: LockTimes = { refreshMs: 60_000, staleMs: 15 * 60_000 };

const prefix = 'sensu-ferry.lock';
const probeName = `${prefix}-clock`;

export const isLockFile = (name: string): boolean => name.startsWith(prefix);

/** @throws FerryError LOCKED (`locked`), naming who has it */
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
  const lock = new LockFile(storage, holder);
  await lock.take(times.staleMs, signal);
  return keep(lock, times.refreshMs, signal);
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

/** Refreshes the lock until it is released or lost. */
function keep(lock: LockFile, refreshMs: number, signal: AbortSignal): StorageLock {
  const lost = new AbortController();
  const released = new AbortController();
  let refreshing = Promise.resolve();
  const timer = setInterval(() => {
    refreshing = refreshing
      .then(() => lock.refresh(released.signal))
      .then((mine) => {
        if (!mine && !released.signal.aborted) lost.abort(lockLost(lock.location));
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
      // refresh that was under way may have made the file anew.
      await lock.remove().catch(() => undefined);
    },
  };
}

interface SeenLock {
  readonly file: StoredFile;
  readonly number: number;
  readonly content: Buffer;
}

/** A lock is a file with a number; whoever takes over a dead one's makes the file with the next number. */
class LockFile {
  readonly #storage: Storage;
  readonly #holder: Holder;
  readonly #content: Buffer;
  #number = 0;

  constructor(storage: Storage, holder: Holder) {
    this.#storage = storage;
    this.#holder = holder;
    this.#content = Buffer.from(`${JSON.stringify(holder, null, 2)}\n`);
  }

  get location(): string {
    return this.#storage.location;
  }

  async take(staleMs: number, signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const before = await this.#locks(signal);
      await this.#refuseLiving(before, staleMs, signal);
      this.#number = Math.max(0, ...before.map(({ number }) => number)) + 1;
      // Of all who found the same dead lock, one gets the next number; the others will find that one alive.
      if (!(await this.#storage.putIfAbsent(this.#name, this.#content, signal))) continue;
      try {
        await this.#clearOthers(staleMs, signal);
        return;
      } catch (error) {
        await this.remove();
        throw error;
      }
    }
    throw locked(this.location, undefined);
  }

  /**
   * Looks again, now that everybody else sees this one. Somebody who was slow between looking and writing may have
   * made a lock of another number.
   */
  async #clearOthers(staleMs: number, signal: AbortSignal): Promise<void> {
    const after = await this.#locks(signal);
    if (!after.some((lock) => this.#isMine(lock))) throw locked(this.location, undefined);
    const others = after.filter((lock) => !this.#isMine(lock));
    await this.#refuseLiving(others, staleMs, signal);
    for (const { file } of others) await this.#remove(file.name, signal);
  }

  /** False when the lock is another's now, as after a long sleep of this machine. */
  async refresh(signal: AbortSignal): Promise<boolean> {
    const locks = await this.#locks(signal);
    const isMine = locks.some((lock) => this.#isMine(lock));
    if (!isMine || locks.some(({ number }) => number > this.#number)) return false;
    await this.#storage.put(this.#name, this.#content, signal);
    return true;
  }

  /** Also when the run was told to stop, whose signal is not asked. */
  async remove(): Promise<void> {
    const signal = AbortSignal.timeout(10_000);
    const content = await this.#read(this.#name, signal);
    if (content === undefined || !content.equals(this.#content)) return;
    await this.#remove(this.#name, signal);
  }

  /** Who may write but not remove leaves it; its number does not matter once its process has ended. */
  async #remove(name: string, signal: AbortSignal): Promise<void> {
    await this.#storage.remove(name, signal).catch((error: unknown) => {
      if (!isDenied(error)) throw error;
    });
  }

  get #name(): string {
    return `${prefix}.${this.#number}`;
  }

  #isMine({ content }: SeenLock): boolean {
    return content.equals(this.#content);
  }

  async #locks(signal: AbortSignal): Promise<readonly SeenLock[]> {
    const locks: SeenLock[] = [];
    for await (const file of this.#storage.list(signal)) {
      const number = Number(/^\.([1-9]\d{0,8})$/.exec(file.name.slice(prefix.length))?.[1]);
      if (!isLockFile(file.name) || Number.isNaN(number)) continue;
      const content = await this.#read(file.name, signal);
      if (content !== undefined) locks.push({ file, number, content });
    }
    return locks;
  }

  /** Undefined when it has gone since it was listed. */
  async #read(name: string, signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      return await buffer(this.#storage.read(name, signal, { start: 0, end: 65_536 }));
    } catch (error) {
      if (error instanceof FerryError && error.code === 'STORED_FILE_MISSING') return undefined;
      // That of another user, who is judged by its age like any whose lock says nothing.
      if (error instanceof FerryError && error.code === 'LOCATION_UNREADABLE') return Buffer.alloc(0);
      throw error;
    }
  }

  async #refuseLiving(locks: readonly SeenLock[], staleMs: number, signal: AbortSignal): Promise<void> {
    for (const { file, content } of locks) {
      const { parseHolder } = await import('./lock-holder.js');
      const holder = parseHolder(content);
      const state = holder === undefined ? 'unknown' : await lookForProcess(holder);
      if (state === 'gone') continue;
      if (state === 'running') throw locked(this.location, holder);
      const now = await this.#storageTime(signal);
      const age = now === undefined ? 0 : now.getTime() - file.modifiedAt.getTime();
      if (age < staleMs) throw locked(this.location, holder);
    }
  }

  /**
   * By the storage's own clock: those of two hosts may differ by more than a lock lives. Undefined where it does not
   * list what was just written.
   */
  async #storageTime(signal: AbortSignal): Promise<Date | undefined> {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await this.#storage.put(probeName, Buffer.from(this.#holder.token), signal);
      let time: Date | undefined;
      for await (const { name, modifiedAt } of this.#storage.list(signal)) {
        if (name === probeName) time = modifiedAt;
      }
      await this.#storage.remove(probeName, signal);
      // Undefined when another run that asked for the time has removed it.
      if (time !== undefined) return time;
    }
    return undefined;
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof FerryError && error.code === 'S3_ACCESS_DENIED';
}

function locked(location: string, holder: Holder | undefined): FerryError {
  const who =
    holder === undefined ? 'Another run' : `Process ${holder.pid} on ${holder.host} (since ${holder.since})`;
  return new FerryError({
    kind: 'locked',
    code: 'LOCKED',
    message: `${who} is at work in ${location}.`,
    hint: `Wait until it has ended. When it is dead, its lock counts no more after ${usual.staleMs / 60_000} minutes.`,
  });
}

function lockLost(location: string): FerryError {
  return new FerryError({
    kind: 'locked',
    code: 'LOCK_LOST',
    message: `Another run has taken over ${location}, as this one did not answer for too long.`,
    hint: 'Nothing is broken. Run it again when the other one has ended.',
  });
}
