import { statSync } from 'node:fs';
import { join } from 'node:path';
import { CorruptFileError } from '../corrupt.js';
import { findLayout } from './data-layout.js';
import type { DataLayout } from './data-layout.js';
import { findLock } from '../../host/file-locks.js';
import type { LockState } from '../../host/file-locks.js';

/**
 * Who runs on the data directory, told by the locks on its files; what a lock cannot tell is said at `LockState`.
 * @throws CorruptFileError NOT_A_DATA_DIRECTORY
 */
export function findHolder(path: string, locksFile?: string): LockState {
  return findLock(filesOf(findLayout(path)), locksFile);
}

/** Those that a running etcd locks. */
function filesOf({ snapFolder, walFiles }: DataLayout): readonly string[] {
  return [join(snapFolder, 'db'), ...walFiles];
}

/** Watches that no etcd runs on a directory while it is read. */
export class Untouched {
  /** Why that cannot be told for certain. */
  readonly unknown: string | undefined;
  readonly #layout: DataLayout;
  readonly #locksFile: string | undefined;
  readonly #marks: readonly string[];

  constructor(layout: DataLayout, locksFile: string | undefined) {
    this.#layout = layout;
    this.#locksFile = locksFile;
    this.unknown = this.#refuseInUse();
    this.#marks = filesOf(layout).map(markOf);
  }

  assert(): void {
    this.#refuseInUse();
    for (const [i, path] of filesOf(this.#layout).entries()) {
      if (markOf(path) !== this.#marks[i]) {
        throw new CorruptFileError('FILE_CHANGED', path, 'was written to while it was read');
      }
    }
  }

  #refuseInUse(): string | undefined {
    const lock = findLock(filesOf(this.#layout), this.#locksFile);
    if (lock.state === 'held') {
      const holder = lock.pid > 0 ? `process ${lock.pid}` : 'a process';
      const what = `is in use: ${holder} holds a lock on ${lock.path}`;
      throw new CorruptFileError('DATA_DIR_IN_USE', this.#layout.path, what);
    }
    return lock.state === 'unknown' ? lock.reason : undefined;
  }
}

function markOf(path: string): string {
  const { ino, size, mtimeNs } = statSync(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs}`;
}
