import type { Agreement } from './agreement.js';
import { agreementOf } from './agreement.js';
import type { BucketToWrite } from '../write/bbolt-writer.js';
import type { Untouched } from './in-use.js';
import type { IndexProgress } from '../mvcc/key-bucket.js';
import { replayedBuckets } from '../replay/replayed-buckets.js';
import { openStoppedLog } from './stopped-log.js';
import type { StoppedLog, StoppedLogOptions } from './stopped-log.js';
import { changedBuckets } from '../mvcc/store-image.js';
import type { StoreFile, StoreTotals } from '../mvcc/store-file.js';
import type { KeyHead, KeyRange, Revision, StoreEntry } from '../../store/types.js';
import { replayLog } from '../wal/wal-replay.js';
import type { Replay, ReplayedStore } from '../wal/wal-replay.js';

/**
 * The store of a stopped etcd: its `db` file with the WAL replayed on top. Members and the raft
 * configuration are as of the db file, at most a fraction of a second older.
 */
export interface DataDirectory extends StoreFile {
  /** Revision of the db file alone: what a copy of it would hold. */
  readonly dbRevision: Revision;
  readonly replayed: Replay;
  readonly agreement: Agreement;
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
 * `agreementOf` for what of the WAL counts. Reads the whole db file when there is anything to replay.
 * @throws CorruptFileError NOT_A_DATA_DIRECTORY, DATA_DIR_IN_USE, WAL_CORRUPT, WAL_GAP, and those of
 * `openSnapshot`; or the system's error
 */
export function openDataDirectory(path: string, options: StoppedLogOptions = {}): DataDirectory {
  const log = openStoppedLog(path, options);
  const replaying = replayingDirectory(log, agreementOf([log.member]));
  for (;;) {
    const { done, value } = replaying.next();
    if (done === true) return value;
  }
}

/**
 * Replays a log, step by step: a caller can report in between, or stop by `return()`. Whatever happens, the log is closed,
 * or is when the directory is.
 * @throws CorruptFileError as `openDataDirectory`
 */
export function* replayingDirectory(
  stopped: StoppedLog,
  agreement: Agreement,
): Generator<IndexProgress, DataDirectory, undefined> {
  const { base, log, layout, untouched } = stopped;
  let opened = false;
  try {
    // What the log changes is looked up in the index.
    if (log.entries.length > 0) yield* base.indexing();
    const replayed = replayLog(base, log, layout.walFolder, agreement.upTo);
    // An etcd that started meanwhile would have changed the files under the replay.
    untouched.assert();
    opened = true;
    return new ReplayedDirectory(stopped, agreement, replayed);
  } finally {
    if (!opened) base.close();
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
  readonly agreement: Agreement;
  readonly #base: StoppedLog['base'];
  readonly #result: ReplayedStore;
  readonly #untouched: Untouched;

  constructor({ path, base, log, untouched }: StoppedLog, agreement: Agreement, result: ReplayedStore) {
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
    this.memberId = log.identity?.memberId;
    this.clusterId = log.identity?.clusterId;
    this.useUnknown = untouched.unknown;
    this.replayed = replay;
    this.agreement = agreement;
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
