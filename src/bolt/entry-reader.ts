import { CorruptFileError } from './corrupt.js';
import type { FileWindow } from './file-window.js';
import { keyAt, leaseAt, recordHeader, revisionAt, valueLengthAt, valueOffsetAt } from './index-record.js';
import type { RecordBatch } from './key-index.js';
import { KeyValueView } from './key-value.js';
import { ProtoReader } from './proto-reader.js';
import type { KeyHead, LeaseId, Revision, StoreEntry } from './types.js';

const mostKeys = 1000;
const mostBytes = 1024 * 1024;
/** Values closer together than this are read in one go: a read costs more than a few copied bytes. */
const widestGap = 2048;
const longestRead = 256 * 1024;

/** The keys of a batch of index records without their values. */
export function* headBatches(batch: RecordBatch): Generator<readonly KeyHead[], void, undefined> {
  const { bytes, records } = batch;
  for (let from = 0; from < records.length; from += mostKeys) {
    const part = records.subarray(from, from + mostKeys);
    yield Array.from(part, (record) => ({
      key: Buffer.from(keyAt(bytes, record)),
      modRevision: revisionAt(bytes, record) as Revision,
      lease: leaseOf(leaseAt(bytes, record)),
    }));
  }
}

/** The keys of a batch of index records with their values. */
export function* entryBatches(
  reader: EntryReader,
  batch: RecordBatch,
): Generator<readonly StoreEntry[], void, undefined> {
  const { bytes, records } = batch;
  for (let from = 0; from < records.length;) {
    let to = from;
    let length = 0;
    while (to < records.length && to - from < mostKeys) {
      length += valueLengthAt(bytes, records[to]!);
      if (to > from && length > mostBytes) break;
      to++;
    }
    yield reader.read(bytes, records.subarray(from, to));
    from = to;
  }
}

function leaseOf(id: bigint): LeaseId | undefined {
  return id === 0n ? undefined : (id as LeaseId);
}

/** Fetches values from where the index says that they lie. */
export class EntryReader {
  readonly #file: FileWindow;
  readonly #record: KeyValueView;
  #scratch = Buffer.alloc(0);
  #offset = 0;

  constructor(file: FileWindow) {
    this.#file = file;
    const fail = (what: string): CorruptFileError => this.#changed(`the record ${what}`);
    this.#record = new KeyValueView(new ProtoReader(fail));
  }

  /** One entry for each index record, in their order, whatever the order in the file. */
  read(bytes: Buffer, records: Uint32Array): StoreEntry[] {
    const places = new ValuePlaces(bytes, records);
    // Not from Node's pool, which a kept entry would hold on to with everything else in it.
    const target = Buffer.allocUnsafeSlow(places.total);
    const entries = new Array<StoreEntry>(records.length);
    let filled = 0;
    for (let i = 0; i < records.length;) {
      const { next, start, end } = places.run(i);
      this.#readScratch(start, end - start);
      for (; i < next; i++) {
        const which = places.inFileOrder[i]!;
        const at = places.offsets[which]! - start;
        const length = valueLengthAt(bytes, records[which]!);
        this.#scratch.copy(target, filled, at, at + length);
        this.#offset = start + at;
        entries[which] = this.#entry(bytes, records[which]!, target, filled, filled + length);
        filled += length;
      }
    }
    return entries;
  }

  #readScratch(start: number, length: number): void {
    if (this.#scratch.length < length) this.#scratch = Buffer.allocUnsafeSlow(Math.max(length, longestRead));
    this.#file.readInto(this.#scratch, 0, length, start);
  }

  #entry(index: Buffer, record: number, bytes: Buffer, start: number, end: number): StoreEntry {
    const kv = this.#record;
    kv.decode(bytes, start, end);
    // Were the file written to since it was indexed, some other record would lie here now.
    const keyLength = kv.keyEnd - kv.keyStart;
    const indexKey = record + recordHeader;
    const sameKey =
      index.readUInt32LE(record) === keyLength &&
      index.compare(bytes, kv.keyStart, kv.keyEnd, indexKey, indexKey + keyLength) === 0;
    const revision = revisionAt(index, record);
    if (!sameKey || kv.modRevision !== revision) {
      throw this.#changed('is not the record that its revision promises');
    }
    return {
      key: bytes.subarray(kv.keyStart, kv.keyEnd),
      value: bytes.subarray(kv.valueStart, kv.valueEnd),
      createRevision: kv.createRevision as Revision,
      modRevision: kv.modRevision as Revision,
      version: kv.version,
      lease: leaseOf(kv.lease),
    };
  }

  #changed(what: string): CorruptFileError {
    return new CorruptFileError('RECORD_CORRUPT', this.#file.path, `byte ${this.#offset}: ${what}`);
  }
}

/** Where the values of a batch lie, and in which order to read them. */
class ValuePlaces {
  /** Bytes of all records together. */
  readonly total: number;
  readonly offsets: Float64Array;
  readonly inFileOrder: Uint32Array;
  readonly #ends: Float64Array;

  constructor(bytes: Buffer, records: Uint32Array) {
    const offsets = new Float64Array(records.length);
    this.#ends = new Float64Array(records.length);
    let total = 0;
    for (let i = 0; i < records.length; i++) {
      const length = valueLengthAt(bytes, records[i]!);
      offsets[i] = valueOffsetAt(bytes, records[i]!);
      this.#ends[i] = offsets[i]! + length;
      total += length;
    }
    this.total = total;
    this.offsets = offsets;
    this.inFileOrder = new Uint32Array(records.length).map((_, i) => i);
    this.inFileOrder.sort((a, b) => offsets[a]! - offsets[b]!);
  }

  /** The records from `first` on, in file order, that lie so close together that one read fetches them. */
  run(first: number): { readonly next: number; readonly start: number; readonly end: number } {
    const start = this.offsets[this.inFileOrder[first]!]!;
    let end = this.#ends[this.inFileOrder[first]!]!;
    let next = first + 1;
    for (; next < this.inFileOrder.length; next++) {
      const which = this.inFileOrder[next]!;
      if (this.offsets[which]! - end > widestGap || this.#ends[which]! - start > longestRead) break;
      end = this.#ends[which]!;
    }
    return { next, start, end };
  }
}
