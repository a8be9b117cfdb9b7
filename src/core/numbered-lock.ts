/** A file of a lock, as it lies there. */
export interface SeenLock {
  readonly number: number;
  readonly content: Buffer;
  /** By the clock of the place where it lies. */
  readonly modifiedAt: Date;
}

/** Where the files of one lock lie: a storage, or a folder of this machine. */
export interface LockFiles {
  /** Those whose name ends in a number, see `lockNumber`. */
  list(signal: AbortSignal): Promise<readonly SeenLock[]>;
  /** Undefined when it is not there. */
  read(number: number, signal: AbortSignal): Promise<Buffer | undefined>;
  /** Of two that try the same number at once, one gets true. */
  make(number: number, content: Buffer, signal: AbortSignal): Promise<boolean>;
  /** No failure when it was not there. */
  remove(number: number, signal: AbortSignal): Promise<void>;
}

/** What keeps a lock from being taken: a lock, or whatever else has its name or was always faster. */
export interface InTheWay {
  readonly number: number;
  readonly lock: SeenLock | undefined;
}

/** Whether nobody holds it any more. */
export type Judge = (lock: SeenLock, signal: AbortSignal) => Promise<boolean>;

const largest = 999_999_999;

/** The number in `name` behind `prefix` and a dot; undefined for any other file. */
export function lockNumber(name: string, prefix: string): number | undefined {
  if (!name.startsWith(`${prefix}.`)) return undefined;
  const digits = name.slice(prefix.length + 1);
  return /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : undefined;
}

/**
 * A lock is a file with a number; whoever takes over a dead one makes the file with the next number, and looks again
 * once everybody else sees it. Why two never hold it: docs/decisions/0004-locks-on-storages.md.
 */
export class NumberedLock {
  readonly #files: LockFiles;
  readonly #content: Buffer;
  readonly #isDead: Judge;
  #number = 0;

  /** @param content Of no other lock: it tells this one from every other file of the same name. */
  constructor(files: LockFiles, content: Buffer, isDead: Judge) {
    this.#files = files;
    this.#content = content;
    this.#isDead = isDead;
  }

  /** Undefined once it is taken. */
  async take(signal: AbortSignal): Promise<InTheWay | undefined> {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const before = await this.#files.list(signal);
      const living = await this.#firstLiving(before, signal);
      if (living !== undefined) return living;
      this.#number = nextNumber(before);
      // Of all who found the same dead lock, one gets the next number; the others will find that one alive.
      if (!(await this.#files.make(this.#number, this.#content, signal))) continue;
      try {
        const other = await this.#clearOthers(signal);
        if (other !== undefined) await this.remove(signal);
        return other;
      } catch (error) {
        await this.remove(AbortSignal.timeout(10_000));
        throw error;
      }
    }
    return { number: this.#number, lock: undefined };
  }

  /** Somebody who was slow between looking and making a file may have made one of another number. */
  async #clearOthers(signal: AbortSignal): Promise<InTheWay | undefined> {
    const after = await this.#files.list(signal);
    if (!after.some((lock) => this.#isMine(lock))) return { number: this.#number, lock: undefined };
    const others = after.filter((lock) => !this.#isMine(lock));
    const living = await this.#firstLiving(others, signal);
    if (living !== undefined) return living;
    for (const { number } of others) await this.#files.remove(number, signal);
    return undefined;
  }

  /** Undefined when the lock is another's now, as after a long sleep of this machine; else its number. */
  async held(signal: AbortSignal): Promise<number | undefined> {
    const locks = await this.#files.list(signal);
    if (!locks.some((lock) => this.#isMine(lock))) return undefined;
    return locks.some(({ number }) => number > this.#number) ? undefined : this.#number;
  }

  /** Leaves the file alone when it has become another's. */
  async remove(signal: AbortSignal): Promise<void> {
    const found = await this.#files.read(this.#number, signal);
    if (found?.equals(this.#content) === true) await this.#files.remove(this.#number, signal);
  }

  #isMine({ number, content }: SeenLock): boolean {
    return number === this.#number && content.equals(this.#content);
  }

  async #firstLiving(locks: readonly SeenLock[], signal: AbortSignal): Promise<InTheWay | undefined> {
    for (const lock of locks) {
      if (!(await this.#isDead(lock, signal))) return { number: lock.number, lock };
    }
    return undefined;
  }
}

/** The same for everybody who sees the same files. A planted file with the largest number must not end the counting. */
function nextNumber(locks: readonly SeenLock[]): number {
  const numbers = new Set(locks.map(({ number }) => number));
  const highest = Math.max(0, ...numbers);
  if (highest < largest) return highest + 1;
  let free = 1;
  while (numbers.has(free)) free += 1;
  return free;
}
