import { closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { BucketToWrite } from './bbolt-writer.js';
import { CorruptFileError } from './corrupt.js';
import { findLayout, findReceivedDb, selectWal } from './data-layout.js';
import type { DataLayout } from './data-layout.js';
import { findLock } from './file-locks.js';
import type { LockState } from './file-locks.js';
import { FileWindow } from './file-window.js';
import type { IndexOptions } from './index-builder.js';
import type { IndexProgress } from './key-bucket.js';
import { readIdentity, readRaftTail } from './raft-log.js';
import type { Identity, RaftTail } from './raft-log.js';
import { replayedBuckets } from './replayed-buckets.js';
import { changedBuckets } from './store-image.js';
import { openDb } from './store-file.js';
import type { DbStore, StoreFile, StoreTotals } from './store-file.js';
import type { KeyHead, KeyRange, Revision, StoreEntry } from './types.js';
import { replayTail } from './wal-replay.js';
import type { BeyondCommit, Replay, ReplayedStore } from './wal-replay.js';

export interface DataDirectoryOptions extends IndexOptions {
  /** For tests: where the system lists file locks. */
  readonly locksFile?: string;
  /** Default `alone`. */
  readonly beyondCommit?: BeyondCommit;
}

/**
 * The store of a stopped etcd: its `db` file with the WAL replayed on top. Members and the raft
 * configuration are as of the db file, at most a fraction of a second older.
 */
export interface DataDirectory extends StoreFile {
  /** Revision of the db file alone: what a copy of it would hold. */
  readonly dbRevision: Revision;
  readonly replayed: Replay;
  /** From the WAL. */
  readonly memberId: bigint | undefined;
  readonly clusterId: bigint | undefined;
  /** Why it could not be told whether an etcd is running on the directory; undefined when none is. */
  readonly useUnknown: string | undefined;
  /** What a snapshot of the store holds: the buckets of the db file, and in them what the replay has changed. */
  buckets(): readonly BucketToWrite[];
  /**
   * To be called when everything wanted has been read.
   * @throws CorruptFileError DATA_DIR_IN_USE, or FILE_CHANGED when an etcd has run on the directory since it was opened
   */
  assertUntouched(): void;
}

/**
 * Opens the data directory of a stopped etcd or sensu-backend: see `findLayout` for which folders are understood,
 * `replayTail` for what of the WAL counts. Reads the whole db file when there is anything to replay.
 * @throws CorruptFileError NOT_A_DATA_DIRECTORY, DATA_DIR_IN_USE, WAL_CORRUPT, WAL_GAP, and those of
 * `openSnapshot`; or the system's error
 */
export function openDataDirectory(path: string, options: DataDirectoryOptions = {}): DataDirectory {
  const opening = openingDataDirectory(path, options);
  for (;;) {
    const { done, value } = opening.next();
    if (done === true) return value;
  }
}

/** As `openDataDirectory`, step by step: a caller can report in between, or stop by `return()`. */
export function* openingDataDirectory(
  path: string,
  options: DataDirectoryOptions = {},
): Generator<IndexProgress, DataDirectory, undefined> {
  const layout = findLayout(path);
  const untouched = new Untouched(layout, options.locksFile);
  const { base, own } = openNewestDb(layout, options);
  let opened = false;
  try {
    const tail = readTail(layout, base.consistentIndex ?? 0n);
    if (own) assertReaches(base, tail, layout.walFolder);
    // What the log changes is looked up in the index.
    if (tail.entries.length > 0) yield* base.indexing();
    const replayed = replayTail(base, tail, layout.walFolder, options.beyondCommit);
    // An etcd that started meanwhile would have changed the files under the replay.
    untouched.assert();
    opened = true;
    return new ReplayedDirectory(path, base, tail, replayed, untouched);
  } finally {
    if (!opened) base.close();
  }
}

/**
 * Who runs on the data directory, told by the locks on its files; what a lock cannot tell is said at `LockState`.
 * @throws CorruptFileError NOT_A_DATA_DIRECTORY
 */
export function findHolder(path: string, locksFile?: string): LockState {
  return findLock(filesOf(findLayout(path)), locksFile);
}

/**
 * Whose data directory it is; it may be in use. Undefined where its log does not say.
 * @throws CorruptFileError NOT_A_DATA_DIRECTORY, WAL_CORRUPT
 */
export function findIdentity(path: string): Identity | undefined {
  const newest = findLayout(path).walFiles.at(-1)!;
  const fd = openSync(newest, 'r');
  try {
    return readIdentity(new FileWindow(fd, newest));
  } finally {
    closeSync(fd);
  }
}

/** Those that a running etcd locks. */
function filesOf({ snapFolder, walFiles }: DataLayout): readonly string[] {
  return [join(snapFolder, 'db'), ...walFiles];
}

/** Watches that no etcd runs on a directory while it is read. */
class Untouched {
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

function openNewestDb(layout: DataLayout, options: IndexOptions): { base: DbStore; own: boolean } {
  const db = openDb(join(layout.snapFolder, 'db'), options);
  const received = findReceivedDb(layout, db.consistentIndex ?? 0n);
  if (received === undefined) return { base: db, own: true };
  db.close();
  return { base: openDb(received, options), own: false };
}

/**
 * An entry is on the disk before the db file has it: a log that ends earlier has lost more than its last write, and
 * a prefix of it is not the store. A db file that a leader has sent may be ahead.
 */
function assertReaches({ consistentIndex = 0n }: DbStore, { lastIndex }: RaftTail, walFolder: string): void {
  if (lastIndex >= consistentIndex) return;
  const what = `ends with raft entry ${lastIndex}, but the db file has ${consistentIndex}: a part of it is gone`;
  throw new CorruptFileError('WAL_GAP', walFolder, what);
}

function readTail(layout: DataLayout, index: bigint): RaftTail {
  const opened: number[] = [];
  try {
    const { paths, begins } = selectWal(layout, index);
    const files = paths.map((path) => {
      const fd = openSync(path, 'r');
      opened.push(fd);
      return new FileWindow(fd, path);
    });
    return readRaftTail(files, index, begins);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

class ReplayedDirectory implements DataDirectory {
  readonly path: string;
  readonly revision: Revision;
  readonly compactedRevision: Revision;
  readonly dbRevision: Revision;
  readonly dbSize: number;
  readonly leases;
  readonly authEnabled;
  readonly users;
  readonly roles;
  readonly alarms;
  readonly members;
  readonly clusterVersion;
  readonly storageVersion;
  readonly consistentIndex;
  readonly term;
  readonly confState;
  readonly memberId: bigint | undefined;
  readonly clusterId: bigint | undefined;
  readonly useUnknown: string | undefined;
  readonly replayed: Replay;
  readonly #base: DbStore;
  readonly #result: ReplayedStore;
  readonly #untouched: Untouched;

  constructor(path: string, base: DbStore, tail: RaftTail, result: ReplayedStore, untouched: Untouched) {
    const { applier, replay } = result;
    this.path = path;
    this.revision = applier.revision as Revision;
    this.compactedRevision = applier.compacted as Revision;
    this.dbRevision = base.revision;
    this.dbSize = base.dbSize;
    this.leases = [...applier.leases.values()];
    this.authEnabled = applier.auth.enabled;
    this.users = applier.auth.users;
    this.roles = applier.auth.roles;
    this.alarms = applier.alarms;
    this.members = base.members;
    this.clusterVersion = applier.clusterVersion;
    this.storageVersion = base.storageVersion;
    this.consistentIndex = replay.toIndex;
    this.term = replay.toTerm;
    this.confState = base.confState;
    this.memberId = tail.memberId;
    this.clusterId = tail.clusterId;
    this.useUnknown = untouched.unknown;
    this.replayed = replay;
    this.#base = base;
    this.#result = result;
    this.#untouched = untouched;
  }

  get #changed(): ReplayedStore['store'] {
    return this.#result.store;
  }

  buckets(): readonly BucketToWrite[] {
    return changedBuckets(this.#base.bbolt, replayedBuckets(this.#base, this.#result));
  }

  assertUntouched(): void {
    this.#untouched.assert();
  }

  indexing(): Generator<IndexProgress, void, undefined> {
    return this.#base.indexing();
  }

  totals(): StoreTotals {
    const { keys, records } = this.#base.totals();
    return { keys: keys + this.#changed.keyDifference, records: records + this.#changed.writes.length };
  }

  keys(range?: KeyRange): Iterable<readonly KeyHead[]> {
    return this.#changed.writes.length === 0 ? this.#base.keys(range) : this.#changed.keys(range);
  }

  entries(range?: KeyRange): Iterable<readonly StoreEntry[]> {
    return this.#changed.writes.length === 0 ? this.#base.entries(range) : this.#changed.entries(range);
  }

  close(): void {
    this.#base.close();
  }
}
