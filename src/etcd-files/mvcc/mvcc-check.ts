import type { BboltFile, BucketRoot } from '../bbolt/bbolt.js';
import { HistoryTable } from './history-table.js';
import { KeyValueView } from './key-value.js';
import { elementFlags, keyEnd, keyStart, valueEnd, type LeafPage } from '../bbolt/pages.js';
import { ProtoReader } from '../../protobuf/proto-reader.js';

export interface RecordFinding {
  /** `<main>` or `<main>_<sub>` where there are several in one transaction. */
  readonly revision: string;
  /** Continues the sentence that begins with the revision. */
  readonly what: string;
}

export interface MvccCheck {
  /** Revisions of keys, deletions included. */
  readonly records: number;
  readonly liveKeys: number;
}

const revisionLength = 17;
const separator = 0x5f;
const tombstoneMark = 0x74;
const leavesAtOnce = 256;
/** Keys whose history is followed in one pass; takes some 70 MB. A store with more takes several passes. */
const keysAtOnce = 1_000_000;

/**
 * Reads the bucket `key` from the oldest revision to the newest, and follows the history of each key: revisions
 * without a gap above what was compacted, creations, versions that count up, deletions of keys that live.
 * @param compacted what is at or below it may be there or not
 * @param records elements of the bucket, as a look at its pages has counted them
 * @throws CorruptFileError PAGE_CORRUPT
 */
export function* checkMvcc(
  db: BboltFile,
  root: BucketRoot,
  compacted: bigint,
  records: number,
  report: (finding: RecordFinding) => void,
  keysPerPass = keysAtOnce,
): Generator<void, MvccCheck, undefined> {
  const passes = Math.max(1, Math.ceil(records / keysPerPass));
  const table = new HistoryTable(Math.ceil(records / passes), passes);
  let liveKeys = 0;
  for (let pass = 0; pass < passes; pass++) {
    table.begin(pass);
    // What one record says by itself is reported once.
    const scan = new RecordScan(Number(compacted), table, report, pass === 0);
    let leaves = 0;
    for (const leaf of db.leaves(root)) {
      scan.add(leaf);
      if (++leaves % leavesAtOnce === 0) yield;
    }
    liveKeys += table.liveKeys;
  }
  return { records, liveKeys };
}

/** Thrown by the reader of one record, and caught around it. */
class RecordFault extends Error {}

class RecordScan {
  readonly #compacted: number;
  readonly #table: HistoryTable;
  readonly #report: (finding: RecordFinding) => void;
  readonly #first: boolean;
  readonly #record = new KeyValueView(
    new ProtoReader((what) => new RecordFault(`cannot be decoded: the record ${what}`)),
  );
  #lastMain: number;
  #lastSub = -1;

  constructor(
    compacted: number,
    table: HistoryTable,
    report: (finding: RecordFinding) => void,
    first: boolean,
  ) {
    this.#compacted = compacted;
    this.#table = table;
    this.#report = report;
    this.#first = first;
    // The first write to a store makes revision 2.
    this.#lastMain = Math.max(1, compacted);
  }

  add(leaf: LeafPage): void {
    for (let i = 0; i < leaf.count; i++) this.#addRecord(leaf, i);
  }

  #addRecord(leaf: LeafPage, i: number): void {
    const { bytes } = leaf;
    const at = keyStart(leaf, i);
    const start = keyEnd(leaf, i);
    if (!isRevision(bytes, at, start - at) || elementFlags(leaf, i) !== 0) {
      this.#say(`page ${leaf.id}, element ${i}`, 'is not keyed by a revision');
      return;
    }
    const main = Number(bytes.readBigInt64BE(at));
    const sub = Number(bytes.readBigInt64BE(at + 9));
    const revision = sub === 0 ? String(main) : `${main}_${sub}`;
    this.#follow(main, sub, revision);
    try {
      this.#check(bytes, start, valueEnd(leaf, i), main, start - at > revisionLength, revision);
    } catch (error) {
      if (!(error instanceof RecordFault)) throw error;
      this.#say(revision, error.message);
    }
  }

  /** Every transaction that writes takes the next revision, and counts its writes from 0. */
  #follow(main: number, sub: number, revision: string): void {
    if (main > this.#compacted) {
      const expectedSub = main === this.#lastMain ? this.#lastSub + 1 : 0;
      const expectedMain = sub === 0 ? this.#lastMain + 1 : this.#lastMain;
      if (main > this.#lastMain + 1) {
        this.#say(revision, `follows ${this.#lastMain}: what lies between is missing`);
      } else if (sub !== expectedSub || main !== expectedMain) {
        this.#say(revision, `lacks what its transaction wrote before it`);
      }
    }
    if (main >= this.#lastMain) {
      this.#lastMain = main;
      this.#lastSub = sub;
    }
  }

  #check(bytes: Buffer, start: number, end: number, main: number, deleted: boolean, revision: string): void {
    // What `etcdutl snapshot restore --bump-revision` writes to take a revision: a record of nothing.
    if (start === end && !deleted) return;
    const record = this.#record;
    record.decode(bytes, start, end);
    if (record.keyEnd === record.keyStart) throw new RecordFault('names no key');
    const created = Number(record.createRevision);
    const version = Number(record.version);
    if (!deleted) this.#checkPut(Number(record.modRevision), created, version, main, revision);
    const history = this.#table.find(bytes, record.keyStart, record.keyEnd);
    if (history === -1) return;
    const fault = deleted
      ? this.#faultOfDeletion(history, main)
      : this.#faultOfPut(history, main, created, version);
    if (fault !== undefined) this.#report({ revision, what: fault });
    this.#table.set(history, main, created, version, deleted);
  }

  #checkPut(modified: number, created: number, version: number, main: number, revision: string): void {
    if (modified !== main) this.#say(revision, `says that it is of revision ${modified}`);
    const sound = created >= 1 && created <= main && version >= 1 && (version === 1) === (created === main);
    if (!sound) {
      this.#say(revision, `says that it is version ${version} of a key created at ${created}`);
    }
  }

  #faultOfDeletion(history: number, main: number): string | undefined {
    const last = this.#table.mainOf(history);
    if (last !== 0 && this.#table.isDeleted(history)) {
      return `deletes a key that was deleted at ${last} already`;
    }
    // Newer etcd keeps a deletion that is as old as the compaction.
    if (last === 0 && main > this.#compacted) return 'deletes a key that does not live';
    return undefined;
  }

  #faultOfPut(history: number, main: number, created: number, version: number): string | undefined {
    const last = this.#table.mainOf(history);
    // Older than the newest record that compaction has to keep: what lay between may be gone.
    const beforeGap = last <= this.#compacted && main <= this.#compacted;
    if (last === 0 || this.#table.isDeleted(history)) {
      if (version === 1 || main <= this.#compacted) return undefined;
      const since = last === 0 ? '' : ' since its deletion';
      return `is version ${version} of a key that has no earlier one${since}`;
    }
    if (beforeGap && created > last) return undefined;
    if (created !== this.#table.createdOf(history)) {
      return `creates a key at ${created} that lives since ${this.#table.createdOf(history)}`;
    }
    const before = this.#table.versionOf(history);
    const sound = beforeGap ? version > before : version === before + 1;
    return sound ? undefined : `is version ${version} of a key and follows version ${before}`;
  }

  #say(revision: string, what: string): void {
    if (this.#first) this.#report({ revision, what });
  }
}

function isRevision(bytes: Buffer, at: number, length: number): boolean {
  const marked = length === revisionLength + 1 && bytes[at + revisionLength] === tombstoneMark;
  return (
    (length === revisionLength || marked) &&
    bytes[at + 8] === separator &&
    // Within what a number can say exactly; a store takes ages to get there.
    bytes.readUInt32BE(at) < 0x200000 &&
    bytes.readUInt32BE(at + 9) === 0
  );
}
