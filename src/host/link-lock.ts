import { randomBytes } from 'node:crypto';
import { lstat, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname } from 'node:path';
import { systemCode } from '../core/errors.js';
import {
  lockNumber,
  NumberedLock,
  type InTheWay,
  type LockFiles,
  type SeenLock,
} from '../core/numbered-lock.js';
import { identifyThisProcess, lookForProcess, type ProcessIdentity } from './process-identity.js';

export interface LinkLock {
  release(): Promise<void>;
}

/** Who stands in the way, and with which file. */
export interface HeldLock {
  readonly file: string;
  /** Undefined for a file that names nobody. */
  readonly holder: LinkHolder | undefined;
  /** `unknown` for a holder in another container or on another host. */
  readonly state: 'running' | 'unknown';
}

interface LinkHolder extends ProcessIdentity {
  /** The beginning of its name. */
  readonly host: string;
}

/**
 * A lock in a folder of this machine. Its files are symbolic links that lead nowhere and name their holder: made in
 * one step, they are never half written, and a full disk, from which a rollback must still be possible, has room.
 * @param path Of the lock; its files are `<path>.1`, `<path>.2`
 * @param staleMs A lock that is older counts no more, whoever holds it; without it a living holder has it for ever
 * @throws the system's error
 */
export async function takeLinkLock(
  path: string,
  { staleMs, signal }: { readonly staleMs?: number; readonly signal: AbortSignal },
): Promise<LinkLock | HeldLock> {
  const own = await identifyThisProcess();
  const files = new LinkFiles(path);
  const isDead = async ({ content, modifiedAt }: SeenLock): Promise<boolean> => {
    if (staleMs !== undefined && Math.abs(Date.now() - modifiedAt.getTime()) > staleMs) return true;
    const holder = parseHolder(content);
    return holder !== undefined && (await stateOf(holder, own)) === 'gone';
  };
  const lock = new NumberedLock(files, Buffer.from(describeHolder(own)), isDead);
  const other = await lock.take(signal);
  if (other !== undefined) return heldBy(files, other, own);
  return {
    release: async () => {
      await lock.remove(new AbortController().signal);
    },
  };
}

/** Who holds it now; undefined when nobody does, or nobody any more. */
export async function findLinkHolder(path: string): Promise<HeldLock | undefined> {
  const own = await identifyThisProcess();
  const files = new LinkFiles(path);
  for (const lock of await files.list()) {
    const held = await heldBy(files, { number: lock.number, lock }, own);
    const { holder } = held;
    if (holder === undefined || (await stateOf(holder, own)) !== 'gone') return held;
  }
  return undefined;
}

export const isHeld = (taken: LinkLock | HeldLock): taken is HeldLock => 'file' in taken;

async function heldBy(files: LinkFiles, { number, lock }: InTheWay, own: ProcessIdentity): Promise<HeldLock> {
  const holder = lock && parseHolder(lock.content);
  const state = holder === undefined ? 'unknown' : await stateOf(holder, own);
  return { file: files.pathOf(number), holder, state: state === 'running' ? state : 'unknown' };
}

async function stateOf(holder: LinkHolder, own: ProcessIdentity): Promise<'running' | 'gone' | 'unknown'> {
  const [boot] = shortSpace(own.pidSpace);
  const [itsBoot] = shortSpace(holder.pidSpace);
  // From before this machine was last started.
  if (boot !== itsBoot && hostname().startsWith(holder.host)) return 'gone';
  if (holder.pidSpace !== shortSpace(own.pidSpace).join(' ')) return 'unknown';
  return lookForProcess({ ...holder, pidSpace: own.pidSpace });
}

/** ext4 keeps a link of up to 59 bytes in the inode itself. A longer one needs a block, and a full disk has none. */
const longest = 59;

/** Such as `4711 86312 9c1e02aa 4026531836 7f3a backup-1`. */
function describeHolder({ pid, startedAt, pidSpace }: ProcessIdentity): string {
  const token = randomBytes(2).toString('hex');
  const words = [pid, startedAt || '-', ...shortSpace(pidSpace), token, hostname()];
  return Buffer.from(words.join(' ')).subarray(0, longest).toString('latin1');
}

function parseHolder(content: Buffer): LinkHolder | undefined {
  const [pid = '', startedAt, boot, space, token, host] = content.toString('latin1').split(' ');
  if (!/^[1-9]\d{0,9}$/.test(pid) || token === undefined || host === undefined || host === '')
    return undefined;
  return { pid: Number(pid), startedAt: startedAt!, pidSpace: `${boot!} ${space!}`, host };
}

/** The beginning of the id of this start of the kernel, and the number of the space of process ids. */
function shortSpace(pidSpace: string): [boot: string, space: string] {
  const [boot = '', space = ''] = pidSpace.split(' ');
  return [boot.slice(0, 8) || '-', space.replace(/\D/g, '') || '-'];
}

class LinkFiles implements LockFiles {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  pathOf(number: number): string {
    return `${this.#path}.${number}`;
  }

  async list(): Promise<readonly SeenLock[]> {
    const locks: SeenLock[] = [];
    for (const name of await readdir(dirname(this.#path))) {
      const number = lockNumber(name, basename(this.#path));
      const lock = number === undefined ? undefined : await this.#look(number);
      if (lock !== undefined) locks.push(lock);
    }
    return locks;
  }

  async read(number: number): Promise<Buffer | undefined> {
    return (await this.#look(number))?.content;
  }

  async make(number: number, content: Buffer): Promise<boolean> {
    try {
      await symlink(content, this.pathOf(number));
      return true;
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false;
      throw error;
    }
  }

  async remove(number: number): Promise<void> {
    await rm(this.pathOf(number), { force: true });
  }

  /** Undefined when it has gone since it was listed. Anything but a link says nothing, and is not opened. */
  async #look(number: number): Promise<SeenLock | undefined> {
    const path = this.pathOf(number);
    try {
      const found = await lstat(path);
      const content = found.isSymbolicLink() ? await readlink(path, 'buffer') : Buffer.alloc(0);
      return { number, content, modifiedAt: found.mtime };
    } catch (error) {
      if (['ENOENT', 'EINVAL'].includes(systemCode(error) ?? '')) return undefined;
      throw error;
    }
  }
}
