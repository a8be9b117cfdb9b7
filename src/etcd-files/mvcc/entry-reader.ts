import { CorruptFileError } from '../corrupt.js';
import type { FileWindow } from '../bbolt/file-window.js';
import { hasKey, keyAt, leaseAt, revisionAt, valueLengthAt, valueOffsetAt } from './index-record.js';
import type { RecordBatch } from './key-index.js';
import { KeyValueView } from './key-value.js';
import { ProtoReader } from '../../protobuf/proto-reader.js';
import type { KeyHead, LeaseId, Revision, StoreEntry } from '../../store/types.js';

const mostKeys = 1000;
const mostBytes = 1024 * 1024;
/** Values closer together than this are read in one go: a read costs more than a few bytes of memory. */
const widestGap = 1024;

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
    const target = Buffer.allocUnsafeSlow(places.runs.reduce((sum, { start, end }) => sum + end - start, 0));
    const entries = new Array<StoreEntry>(records.length);
    let i = 0;
    let filled = 0;
    for (const { next, start, end } of places.runs) {
      this.#file.readInto(target, filled, end - start, start);
      for (; i < next; i++) {
        const which = places.inFileOrder[i]!;
        const record = records[which]!;
        this.#offset = places.offsets[which]!;
        const at = filled + this.#offset - start;
        entries[which] = this.#entry(bytes, record, target, at, at + valueLengthAt(bytes, record));
      }
      filled += end - start;
    }
    return entries;
  }

  #entry(index: Buffer, record: number, bytes: Buffer, start: number, end: number): StoreEntry {
    const kv = this.#record;
    kv.decode(bytes, start, end);
    // Were the file written to since it was indexed, some other record would lie here now.
    if (
      !hasKey(index, record, bytes, kv.keyStart, kv.keyEnd) ||
      kv.modRevision !== revisionAt(index, record)
    ) {
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

/** Records, in file order, that lie so close together that one read fetches them. */
interface Run {
  /** The first record, in file order, that is not among them. */
  readonly next: number;
  readonly start: number;
  readonly end: number;
}

/** Where the values of a batch lie, and in which order to read them. */
class ValuePlaces {
  readonly offsets: Float64Array;
  readonly inFileOrder: Uint32Array;
  readonly runs: readonly Run[];

  constructor(bytes: Buffer, records: Uint32Array) {
    const offsets = Float64Array.from(records, (record) => valueOffsetAt(bytes, record));
    const inFileOrder = new Uint32Array(records.length).map((_, i) => i);
    inFileOrder.sort((a, b) => offsets[a]! - offsets[b]!);
    const runs: Run[] = [];
    for (let i = 0; i < records.length;) {
      const start = offsets[inFileOrder[i]!]!;
      let end = start;
      for (; i < records.length; i++) {
        const which = inFileOrder[i]!;
        if (offsets[which]! - end > widestGap) break;
        end = offsets[which]! + valueLengthAt(bytes, records[which]!);
      }
      runs.push({ next: i, start, end });
    }
    this.offsets = offsets;
    this.inFileOrder = inFileOrder;
    this.runs = runs;
  }
}
