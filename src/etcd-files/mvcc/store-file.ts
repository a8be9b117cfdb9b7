import { closeSync, openSync } from 'node:fs';
import { BboltFile } from '../bbolt/bbolt.js';
import type { BucketRoot } from '../bbolt/bbolt.js';
import { EntryReader, entryBatches, headBatches } from './entry-reader.js';
import { FileWindow } from '../bbolt/file-window.js';
import { indexKeys, lastMainRevision } from './key-bucket.js';
import type { IndexedKeys, IndexProgress } from './key-bucket.js';
import type { IndexOptions } from './index-builder.js';
import { readStoreMetadata } from './store-metadata.js';
import type { StoreMetadata } from './store-metadata.js';
import { lengthOf, type OpenFile } from '../../core/temp-file.js';
import { trailerLength } from '../bbolt/trailer.js';
import type { KeyHead, KeyRange, Revision, StoreEntry } from '../../store/types.js';

/** What the one pass over a store counts. */
export interface StoreTotals {
  /** Live keys. */
  readonly keys: number;
  /** Revisions of keys that etcd still has, deletions included: what compaction has left. */
  readonly records: number;
}

/**
 * An etcd store at rest. Opening reads a few pages; the first call that needs the set of live keys
 * (`totals`, `keys`, `entries`) reads the file once and indexes it in bounded memory.
 */
export interface StoreFile extends StoreMetadata {
  readonly path: string;
  /** As etcd computes it when it starts on this store. */
  readonly revision: Revision;
  /** Bytes of the bbolt part, without a snapshot's trailer and without preallocated space. */
  readonly dbSize: number;
  /**
   * Indexes the store step by step, so that a caller can report, or stop by `return()`, in between. Nothing
   * happens when the store is indexed already; without this call the index is made when it is first needed.
   * @throws CorruptFileError
   */
  indexing(): Generator<IndexProgress, void, undefined>;
  /** @throws CorruptFileError */
  totals(): StoreTotals;
  /**
   * Live keys in byte order without their values, in batches of at most 1,000: two stores are compared by key
   * and revision in one merge. @throws CorruptFileError
   */
  keys(range?: KeyRange): Iterable<readonly KeyHead[]>;
  /**
   * Live keys in byte order with their values, in batches of at most 1,000 keys and about 1 MiB. The buffers of
   * a batch are the caller's; they are parts of one allocation. @throws CorruptFileError
   */
  entries(range?: KeyRange): Iterable<readonly StoreEntry[]>;
  /** Frees the index's temporary file and closes what was opened. */
  close(): void;
}

/** A path, or a file that is open already and stays open; `path` then only names it in messages. */
export type FileSource = string | { readonly fd: OpenFile; readonly path: string };

/**
 * Opens a snapshot as `etcdctl snapshot save` writes it, or the bare `db` file of a stopped etcd. The trailer is
 * not checked here, see `checkTrailer`.
 * @throws CorruptFileError EMPTY_FILE, NOT_BBOLT, SNAPSHOT_TRUNCATED, PAGE_CORRUPT, NOT_AN_ETCD_STORE,
 * RECORD_CORRUPT; or the system's error when the file cannot be opened.
 */
export function openSnapshot(source: FileSource, options: IndexOptions = {}): StoreFile {
  return openDb(source, options);
}

/** As `openSnapshot`, with what a replay of the WAL needs besides. */
export function openDb(source: FileSource, options: IndexOptions): DbStore {
  const opened = openSource(source);
  try {
    return new DbStore(opened, options);
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** A file and how to let go of it. */
export interface OpenedFile {
  readonly fd: OpenFile;
  readonly path: string;
  close(): void;
}

export function openSource(source: FileSource): OpenedFile {
  if (typeof source !== 'string') return { ...source, close: () => undefined };
  const fd = openSync(source, 'r');
  return {
    fd,
    path: source,
    close: () => {
      closeSync(fd);
    },
  };
}

/** The bbolt part of a file that may be a snapshot with its trailer. */
export function openBbolt(opened: OpenedFile): BboltFile {
  const size = lengthOf(opened.fd);
  return new BboltFile(new FileWindow(opened.fd, opened.path, size - trailerLength(size)));
}

export class DbStore implements StoreFile {
  readonly path: string;
  readonly revision: Revision;
  readonly dbSize: number;
  readonly leases;
  readonly authEnabled;
  readonly users;
  readonly roles;
  readonly alarms;
  readonly members: StoreMetadata['members'];
  readonly clusterVersion;
  readonly storageVersion;
  readonly consistentIndex;
  readonly term;
  readonly confState: StoreMetadata['confState'];
  readonly compactedRevision;
  readonly #opened: OpenedFile;
  readonly #options: IndexOptions;
  readonly #db: BboltFile;
  readonly #keyBucket: BucketRoot;
  #indexed: IndexedKeys | undefined;
  #lookUp: EntryReader | undefined;
  #closed = false;

  constructor(opened: OpenedFile, options: IndexOptions) {
    this.#opened = opened;
    this.#options = options;
    this.#db = openBbolt(opened);
    const metadata = readStoreMetadata(this.#db);
    this.path = opened.path;
    this.dbSize = this.#db.meta.highWaterMark * this.#db.meta.pageSize;
    this.leases = metadata.leases;
    this.authEnabled = metadata.authEnabled;
    this.users = metadata.users;
    this.roles = metadata.roles;
    this.alarms = metadata.alarms;
    this.members = metadata.members;
    this.clusterVersion = metadata.clusterVersion;
    this.storageVersion = metadata.storageVersion;
    this.consistentIndex = metadata.consistentIndex;
    this.term = metadata.term;
    this.confState = metadata.confState;
    this.compactedRevision = metadata.compactedRevision;
    this.#keyBucket = this.#db.bucket('key')!.root;
    // Compaction may have removed the newest revisions, if they were deletions: the store's revision is then
    // the one compacted to. A store that was never written to is at revision 1.
    const newest = lastMainRevision(this.#db, this.#keyBucket);
    const compacted = metadata.compactedRevision;
    this.revision = [newest, compacted, 1n].reduce((a, b) => (a > b ? a : b)) as Revision;
  }

  /** The file's buckets as they lie there. */
  get bbolt(): BboltFile {
    return this.#db;
  }

  *indexing(): Generator<IndexProgress, void, undefined> {
    if (this.#indexed) return;
    if (this.#closed) throw new Error(`${this.path} is read after it was closed`);
    this.#indexed = yield* indexKeys(this.#db, this.#keyBucket, this.#options);
  }

  index(): IndexedKeys {
    const steps = this.indexing();
    while (steps.next().done !== true);
    return this.#indexed!;
  }

  totals(): StoreTotals {
    const { index, records } = this.index();
    return { keys: index.count, records };
  }

  *keys(range?: KeyRange): Generator<readonly KeyHead[], void, undefined> {
    for (const batch of this.index().index.batches(range)) yield* headBatches(batch);
  }

  *entries(range?: KeyRange): Generator<readonly StoreEntry[], void, undefined> {
    const reader = new EntryReader(this.#db.file);
    for (const batch of this.index().index.batches(range)) yield* entryBatches(reader, batch);
  }

  /** The key as it lies there; undefined when it does not live. @throws CorruptFileError */
  entry(key: Buffer): StoreEntry | undefined {
    const found = this.index().index.find(key);
    if (found === undefined) return undefined;
    this.#lookUp ??= new EntryReader(this.#db.file);
    return this.#lookUp.read(found.bytes, found.records)[0];
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#indexed?.index.close();
    this.#indexed = undefined;
    this.#opened.close();
  }
}
