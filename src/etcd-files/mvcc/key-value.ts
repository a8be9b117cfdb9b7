import type { ProtoReader } from '../../protobuf/proto-reader.js';

/**
 * etcd's `mvccpb.KeyValue` as it lies in a buffer: positions instead of copies, and one object for all
 * records. A tombstone's record has the key alone.
 */
export class KeyValueView {
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  createRevision = 0n;
  modRevision = 0n;
  version = 0n;
  lease = 0n;
  readonly #reader: ProtoReader;

  constructor(reader: ProtoReader) {
    this.#reader = reader;
  }

  /** Every field of the record at `[start, end)`. */
  decode(bytes: Buffer, start: number, end: number): void {
    this.#clear(start);
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    for (let field = reader.field(); field !== 0; field = reader.field()) {
      if (field === 2) this.createRevision = reader.int64();
      else if (field === 3) this.modRevision = reader.int64();
      else if (field === 4) this.version = reader.int64();
      else this.#common(field);
    }
  }

  /** Key and lease only, which is what an index needs; several times faster than all of it. */
  decodeKeyAndLease(bytes: Buffer, start: number, end: number): void {
    this.#clear(start);
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    for (let field = reader.field(); field !== 0; field = reader.field()) this.#common(field);
  }

  #common(field: number): void {
    const reader = this.#reader;
    if (field === 1) {
      reader.lengthDelimited();
      this.keyStart = reader.start;
      this.keyEnd = reader.stop;
    } else if (field === 5) {
      reader.lengthDelimited();
      this.valueStart = reader.start;
      this.valueEnd = reader.stop;
    } else if (field === 6) this.lease = reader.int64();
    else reader.skip();
  }

  #clear(at: number): void {
    this.keyStart = this.keyEnd = this.valueStart = this.valueEnd = at;
    this.createRevision = this.modRevision = this.version = this.lease = 0n;
  }
}
