import { buffer } from 'node:stream/consumers';
import { FerryError } from '../../core/errors.js';
import { lockNumber, type LockFiles, type SeenLock } from '../../core/numbered-lock.js';
import { listIncomplete } from '../../storage/names.js';
import type { Storage } from '../../storage/storage.js';

const prefix = 'sensu-ferry.lock';
const probeName = `${prefix}-clock`;

export const isLockFile = (name: string): boolean => name.startsWith(prefix);

export const lockName = (number: number): string => `${prefix}.${number}`;

/** The files of a lock among the snapshots. */
export class StoredLockFiles implements LockFiles {
  readonly #storage: Storage;
  readonly #token: string;
  /** The number of the file that was made here. */
  #made: number | undefined;

  constructor(storage: Storage, token: string) {
    this.#storage = storage;
    this.#token = token;
  }

  /** @throws FerryError S3_LIST_INCOMPLETE, where it lacks our own file, which is there */
  async list(signal: AbortSignal): Promise<readonly SeenLock[]> {
    const locks = await this.#listed(signal);
    if (this.#made !== undefined && !locks.some(({ number }) => number === this.#made)) {
      const own = await this.read(this.#made, signal);
      if (own?.includes(this.#token) === true) throw this.#unlisted(this.#made);
    }
    return locks;
  }

  /** @throws FerryError S3_LIST_INCOMPLETE, where a file that is there is not in the list */
  async refuseUnlisted(number: number, signal: AbortSignal): Promise<void> {
    const locks = await this.#listed(signal);
    const isListed = locks.some((lock) => lock.number === number);
    if (!isListed && (await this.read(number, signal)) !== undefined) throw this.#unlisted(number);
  }

  async #listed(signal: AbortSignal): Promise<readonly SeenLock[]> {
    const locks: SeenLock[] = [];
    for await (const { name, modifiedAt } of this.#storage.list(signal)) {
      const number = lockNumber(name, prefix);
      if (number === undefined) continue;
      const content = await this.read(number, signal);
      if (content !== undefined) locks.push({ number, content, modifiedAt });
    }
    return locks;
  }

  async read(number: number, signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      return await buffer(this.#storage.read(lockName(number), signal, { start: 0, end: 65_536 }));
    } catch (error) {
      if (error instanceof FerryError && error.code === 'STORED_FILE_MISSING') return undefined;
      // That of another user, who is judged by its age like any whose lock says nothing.
      if (error instanceof FerryError && error.code === 'LOCATION_UNREADABLE') return Buffer.alloc(0);
      throw error;
    }
  }

  #unlisted(number: number): FerryError {
    return listIncomplete(this.#storage.location, `${lockName(number)} is there, and the list lacks it`);
  }

  async make(number: number, content: Buffer, signal: AbortSignal): Promise<boolean> {
    const isMade = await this.#storage.putIfAbsent(lockName(number), content, signal);
    if (isMade) this.#made = number;
    return isMade;
  }

  /** Who may write but not remove leaves it; its number does not matter once its process has ended. */
  async remove(number: number, signal: AbortSignal): Promise<void> {
    await this.#storage.remove(lockName(number), signal).catch((error: unknown) => {
      if (!isDenied(error)) throw error;
    });
  }

  /**
   * By the storage's own clock: those of two hosts may differ by more than a lock lives. Undefined where it does not
   * list what was just written.
   */
  async now(signal: AbortSignal): Promise<Date | undefined> {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await this.#storage.put(probeName, Buffer.from(this.#token), signal);
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

export function isDenied(error: unknown): boolean {
  return error instanceof FerryError && error.code === 'S3_ACCESS_DENIED';
}
