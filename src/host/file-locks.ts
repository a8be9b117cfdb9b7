import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { Stats } from 'node:fs';

/**
 * Whether a process holds a lock on a file. `unknown` where the system does not tell: without `/proc/locks`
 * (anything but Linux), and never found by it: a holder on another host of a network file system, or in
 * another container that does not share its process namespace with this one.
 */
export type LockState =
  | { readonly state: 'free' }
  | { readonly state: 'held'; readonly path: string; readonly pid: number }
  | { readonly state: 'unknown'; readonly reason: string };

interface Lock {
  readonly pid: number;
  readonly device: string;
  readonly inode: string;
}

/**
 * Looks up who locks one of the files. etcd holds an exclusive flock on its db file and on its WAL files as long
 * as it runs; Node has no flock to try with, but Linux lists all locks.
 * @param locksFile Where the system lists them; for tests.
 */
export function findLock(paths: readonly string[], locksFile = '/proc/locks'): LockState {
  let table: string;
  try {
    table = readFileSync(locksFile, 'utf8');
  } catch {
    return { state: 'unknown', reason: `${locksFile} cannot be read` };
  }
  const locks = parseLocks(table);
  for (const path of paths) {
    const stats = statSync(path);
    const holder = locks.find((lock) => lock.inode === String(stats.ino) && isSameFile(lock, stats));
    if (holder) return { state: 'held', path, pid: holder.pid };
  }
  return { state: 'free' };
}

/** Lines such as `1: FLOCK  ADVISORY  WRITE 1234 fd:01:131090 0 EOF`; `->` marks one that only waits. */
function parseLocks(table: string): Lock[] {
  const locks: Lock[] = [];
  for (const line of table.split('\n')) {
    const match = /^\d+: +(?:FLOCK|POSIX|OFDLCK) +\S+ +\S+ +(-?\d+) +([0-9a-f]+:[0-9a-f]+):(\d+) /.exec(line);
    if (match) locks.push({ pid: Number(match[1]), device: match[2]!, inode: match[3]! });
  }
  return locks;
}

function isSameFile(lock: Lock, stats: Stats): boolean {
  if (lock.device === deviceName(stats.dev)) return true;
  // btrfs and overlayfs show another device here than to stat: then the holder's open files tell.
  try {
    const folder = `/proc/${lock.pid}/fd`;
    return readdirSync(folder).some((fd) => {
      try {
        const open = statSync(`${folder}/${fd}`);
        return open.dev === stats.dev && open.ino === stats.ino;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

/** A device number as `/proc/locks` writes it: major and minor in hex, at least two digits each. */
function deviceName(device: number): string {
  const number = BigInt(device);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}`;
}
