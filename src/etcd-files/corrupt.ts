/** What is wrong with a file of etcd's, as far as a caller must tell it apart. */
export type CorruptFileCode =
  /** The file has no bytes. */
  | 'EMPTY_FILE'
  /** No valid bbolt meta page: some other file, or its beginning is destroyed. */
  | 'NOT_BBOLT'
  /** The meta page counts more pages than the file has. */
  | 'SNAPSHOT_TRUNCATED'
  /** The sha256 at the end of a snapshot is not that of the bytes before it. */
  | 'TRAILER_MISMATCH'
  /** A page of the B+ tree breaks the format's rules. */
  | 'PAGE_CORRUPT'
  /** bbolt, but without the buckets that every etcd store has. */
  | 'NOT_AN_ETCD_STORE'
  /** A record inside a bucket cannot be decoded. */
  | 'RECORD_CORRUPT'
  /** The file is not what it was when it was opened. */
  | 'FILE_CHANGED'
  | 'NOT_A_DATA_DIRECTORY'
  /** A running etcd or sensu-backend holds a file of the directory. */
  | 'DATA_DIR_IN_USE'
  | 'WAL_CORRUPT'
  /** The WAL begins after, or ends before, what the db file needs. */
  | 'WAL_GAP';

/**
 * A file of etcd's that cannot be read as such. The message names the file and the place in it, and holds no
 * key and no value: key names alone can be secrets (Sensu's API keys are).
 */
export class CorruptFileError extends Error {
  override readonly name = 'CorruptFileError';
  readonly code: CorruptFileCode;
  readonly path: string;
  /** The message without the path. */
  readonly what: string;

  /** @param what Of the file itself, such as `is empty`; or of a place in it, such as `page 7 is empty`. */
  constructor(code: CorruptFileCode, path: string, what: string) {
    super(`${path}${saysOfFile.test(what) ? '' : ':'} ${what}`);
    this.code = code;
    this.path = path;
    this.what = what;
  }
}

/** What goes on from the path as one sentence; a place in the file stands behind a colon. */
const saysOfFile = /^(is|was|has|does|begins|ends|ended|claims)\b/;
