import type { BboltFile, BucketRoot } from '../bbolt/bbolt.js';
import { CorruptFileError } from '../corrupt.js';
import { IndexBuilder, longestKey } from './index-builder.js';
import type { IndexOptions } from './index-builder.js';
import { tombstone } from './index-record.js';
import type { KeyIndex } from './key-index.js';
import { KeyValueView } from './key-value.js';
import { keyEnd, keyStart, valueEnd } from '../bbolt/pages.js';
import type { LeafPage } from '../bbolt/pages.js';
import { ProtoReader } from '../../protobuf/proto-reader.js';

/** Keys of the bucket `key`: main revision, `_`, revision within the transaction, and `t` for a deletion. */
const revisionLength = 17;
const separator = 0x5f;
const tombstoneMark = 0x74;

/** How far the one pass over a store has come. */
export interface IndexProgress {
  readonly recordsRead: number;
  /** Bytes of leaf pages read so far; the whole of them is at most the file's size. */
  readonly bytesRead: number;
}

export interface IndexedKeys {
  readonly index: KeyIndex;
  /** Number of entries of the bucket: every revision etcd still has, tombstones included. */
  readonly records: number;
}

/** The highest main revision of the bucket, 0 when it is empty. */
export function lastMainRevision(db: BboltFile, root: BucketRoot): bigint {
  const leaf = db.lastLeaf(root);
  if (!leaf) return 0n;
  checkRevision(db, leaf, leaf.count - 1);
  return leaf.bytes.readBigInt64BE(keyStart(leaf, leaf.count - 1));
}

/**
 * Reads the bucket `key` once, from the oldest revision to the newest, and indexes its live keys. Gives up
 * control after every few hundred pages, so that a caller can report, or stop, in between.
 * @throws CorruptFileError PAGE_CORRUPT, RECORD_CORRUPT
 */
export function* indexKeys(
  db: BboltFile,
  root: BucketRoot,
  options: IndexOptions,
): Generator<IndexProgress, IndexedKeys, undefined> {
  const builder = new IndexBuilder(options, db.meta.highWaterMark * db.meta.pageSize);
  const scan = new LeafScan(db, builder);
  try {
    let pages = 0;
    let bytesRead = 0;
    for (const leaf of db.leaves(root)) {
      scan.add(leaf);
      bytesRead += leaf.bytes.length;
      if (++pages % 512 === 0) yield { recordsRead: scan.records, bytesRead };
    }
    return { index: builder.finish(), records: scan.records };
  } finally {
    builder.close();
  }
}

class LeafScan {
  records = 0;
  readonly #db: BboltFile;
  readonly #builder: IndexBuilder;
  readonly #parts = {
    source: Buffer.alloc(0) as Buffer,
    keyStart: 0,
    keyEnd: 0,
    revisionStart: 0,
    valueLength: 0,
    valueOffset: 0,
    lease: 0n,
  };
  readonly #record: KeyValueView;
  /** Which record is being decoded, for the message of an error. */
  #leaf = 0;
  #element = 0;

  constructor(db: BboltFile, builder: IndexBuilder) {
    this.#db = db;
    this.#builder = builder;
    this.#record = new KeyValueView(new ProtoReader((what) => this.#corrupt(what)));
  }

  add(leaf: LeafPage): void {
    const { bytes } = leaf;
    const record = this.#record;
    const parts = this.#parts;
    parts.source = bytes;
    this.#leaf = leaf.id;
    for (let i = 0; i < leaf.count; i++) {
      this.#element = i;
      checkRevision(this.#db, leaf, i);
      const start = keyEnd(leaf, i);
      const end = valueEnd(leaf, i);
      // `etcdutl snapshot restore --bump-revision` takes a revision with a record of nothing, which is no key.
      if (start === end) continue;
      record.decodeKeyAndLease(bytes, start, end);
      if (record.keyEnd - record.keyStart > longestKey) throw this.#corrupt('has a key of absurd length');
      parts.revisionStart = keyStart(leaf, i);
      const deleted = start - parts.revisionStart > revisionLength;
      parts.keyStart = record.keyStart;
      parts.keyEnd = record.keyEnd;
      parts.valueLength = deleted ? tombstone : end - start;
      parts.valueOffset = leaf.offset + start;
      parts.lease = deleted ? 0n : record.lease;
      this.#builder.add(parts);
    }
    this.records += leaf.count;
  }

  #corrupt(what: string): CorruptFileError {
    const where = `page ${this.#leaf}, element ${this.#element}`;
    return new CorruptFileError('RECORD_CORRUPT', this.#db.path, `${where}: the key's record ${what}`);
  }
}

function checkRevision(db: BboltFile, leaf: LeafPage, i: number): void {
  const start = keyStart(leaf, i);
  const length = keyEnd(leaf, i) - start;
  const sound =
    (length === revisionLength ||
      (length === revisionLength + 1 && leaf.bytes[start + revisionLength] === tombstoneMark)) &&
    leaf.bytes[start + 8] === separator &&
    leaf.bytes[start]! < 0x80;
  if (sound) return;
  const what = `page ${leaf.id}, element ${i}: is not keyed by a revision`;
  throw new CorruptFileError('RECORD_CORRUPT', db.path, what);
}
