/** A file of a storage. */
export interface StoredFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly modifiedAt: Date;
}

/** Half open, in bytes, as of `Buffer.subarray`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * A flat place for snapshots: a folder, or a bucket with a prefix. A file is there whole or not at all.
 * Failures are errors of this program that name the place; a missing file is `STORED_FILE_MISSING`.
 */
export interface Storage {
  /** As the operator wrote it, such as `/var/backups/sensu` or `s3://backups/sensu`; never a credential. */
  readonly location: string;
  /** Whether it leaves this machine. */
  readonly remote: boolean;
  /** Of a folder: whether users other than its owner can put files there. */
  isWritableByOthers?(): Promise<boolean>;
  /** For people, and for commands that take a snapshot: where a file of that name is. */
  pathOf(name: string): string;
  /** Whole files, in no order; those of other programs too, but no folders. */
  list(signal: AbortSignal): AsyncIterable<StoredFile>;
  read(name: string, signal: AbortSignal, range?: ByteRange): AsyncIterable<Buffer>;
  /**
   * Readable by nobody else, and listed only once it is committed. A name that is taken is `FILE_EXISTS`, at the
   * latest when it is committed.
   */
  create(name: string, signal: AbortSignal): Promise<StorageWriter>;
  /** Replaces in one step; for small files. */
  put(name: string, content: Buffer, signal: AbortSignal): Promise<void>;
  /** Of two that try at once, one gets true; for locks. */
  putIfAbsent(name: string, content: Buffer, signal: AbortSignal): Promise<boolean>;
  /** Gone afterwards; no failure when it was not there. */
  remove(name: string, signal: AbortSignal): Promise<void>;
  /** Frees what writers that were killed have left: theirs that were last touched before `before`. */
  removeUnfinished(before: Date, signal: AbortSignal): Promise<void>;
}

export interface StorageWriter {
  /** Bytes so far. */
  readonly size: number;
  write(chunk: Buffer): Promise<void>;
  /** Durable and listed when it returns. */
  commit(): Promise<void>;
  /** Leaves nothing; no failure after a commit or another abort. */
  abort(): Promise<void>;
}
