import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { MemberLog } from './agreement.js';
import { CorruptFileError } from '../corrupt.js';
import { findLayout, findReceivedDb, newestSnapFile, selectWal } from './data-layout.js';
import type { DataLayout } from './data-layout.js';
import { FileWindow } from '../bbolt/file-window.js';
import { Untouched } from './in-use.js';
import type { IndexOptions } from '../mvcc/index-builder.js';
import { readIdentity, readRaftLog } from '../wal/raft-log.js';
import type { RaftLog } from '../wal/raft-log.js';
import type { Identity } from '../wal/raft-records.js';
import { openDb } from '../mvcc/store-file.js';
import type { DbStore } from '../mvcc/store-file.js';
import { votersOf } from './voters.js';

export interface StoppedLogOptions extends IndexOptions {
  /** For tests: where the system lists file locks. */
  readonly locksFile?: string;
}

/** The log of a stopped member, read but not replayed yet, and the db file that it goes on from. */
export interface StoppedLog {
  readonly path: string;
  readonly layout: DataLayout;
  readonly base: DbStore;
  readonly log: RaftLog;
  readonly member: MemberLog;
  readonly untouched: Untouched;
}

/**
 * Opens the data directory of a stopped etcd or sensu-backend, and reads its log.
 * @throws CorruptFileError NOT_A_DATA_DIRECTORY, DATA_DIR_IN_USE, WAL_CORRUPT, WAL_GAP, and those of `openSnapshot`; or the
 * system's error
 */
export function openStoppedLog(path: string, options: StoppedLogOptions = {}): StoppedLog {
  const layout = findLayout(path);
  const untouched = new Untouched(layout, options.locksFile);
  const { base, received } = openNewestDb(layout, options);
  try {
    const { consistentIndex = 0n } = base;
    const log = readLog(layout, consistentIndex, newestSnapFile(layout)?.index ?? 0n);
    if (received === undefined) assertReaches(base, log, layout.walFolder);
    const known = consistentIndex > log.commit ? consistentIndex : log.commit;
    const voters = votersOf(layout, log, known);
    const outline = outlineOf(log, known, received);
    const member = { memberId: log.identity?.memberId ?? 0n, voters, known, outline };
    return { path, layout, base, log, member, untouched };
  } catch (error) {
    base.close();
    throw error;
  }
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

type Received = ReturnType<typeof findReceivedDb>;

function openNewestDb(layout: DataLayout, options: IndexOptions): { base: DbStore; received: Received } {
  const db = openDb(join(layout.snapFolder, 'db'), options);
  const received = findReceivedDb(layout, db.consistentIndex ?? 0n);
  if (received === undefined) return { base: db, received };
  db.close();
  return { base: openDb(received.path, options), received };
}

/** Behind a snapshot, taken or received, the log before it may be gone. */
function outlineOf(log: RaftLog, known: bigint, received: Received): RaftLog['outline'] {
  const taken = log.snapshots.findLast(({ index }) => index > 0n && index <= known);
  const outline = taken === undefined ? log.outline : log.outline.behind(taken.index, taken.term);
  return received === undefined ? outline : outline.behind(received.index, received.term);
}

/**
 * An entry is on the disk before the db file has it: a log that ends earlier has lost more than its last write, and
 * a prefix of it is not the store. A db file that a leader has sent may be ahead.
 */
function assertReaches({ consistentIndex = 0n }: DbStore, { lastIndex }: RaftLog, walFolder: string): void {
  if (lastIndex >= consistentIndex) return;
  const what = `ends with raft entry ${lastIndex}, but the db file has ${consistentIndex}: a part of it is gone`;
  throw new CorruptFileError('WAL_GAP', walFolder, what);
}

function readLog(layout: DataLayout, index: bigint, wanted: bigint): RaftLog {
  const opened: number[] = [];
  try {
    const { paths, begins } = selectWal(layout, index, wanted);
    const files = paths.map((path) => {
      const fd = openSync(path, 'r');
      opened.push(fd);
      return new FileWindow(fd, path);
    });
    return readRaftLog(files, index, begins);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
