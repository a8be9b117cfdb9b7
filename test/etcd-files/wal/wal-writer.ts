import { crc32c } from '../../../src/etcd-files/wal/crc32c.js';
import { ProtoWriter } from '../../../src/protobuf/proto-writer.js';

/** Builds the bytes of WAL files. The checksum goes on from one file to the next. */
export class WalWriter {
  readonly files: Buffer[] = [];
  /** Where each record of the file that is being written begins. */
  readonly offsets: number[] = [];
  #parts: Buffer[] = [];
  #length = 0;
  #crc = 0;

  /** Begins a file; the one before it, if any, is complete. `size` preallocates the last one. */
  begin(): this {
    if (this.#parts.length > 0) this.end();
    this.#frame(new ProtoWriter().number(1, 4).number(2, this.#crc).finish());
    return this;
  }

  metadata(memberId: bigint, clusterId: bigint): this {
    return this.#record(1, new ProtoWriter().number(1, memberId).number(2, clusterId).finish());
  }

  entry(index: bigint, term: bigint, data: Buffer, type = 0): this {
    const entry = new ProtoWriter().number(1, type).number(2, term).number(3, index).bytes(4, data);
    return this.#record(2, entry.finish());
  }

  state(term: bigint, commit: bigint): this {
    return this.#record(3, new ProtoWriter().number(1, term).number(2, 1n).number(3, commit).finish());
  }

  /** The mark of a snapshot; 3.4 does not write who votes. */
  snapshot(index: bigint, term: bigint, voters?: readonly bigint[]): this {
    const mark = new ProtoWriter().number(1, index).number(2, term);
    return this.#record(5, (voters ? mark.message(3, confState(voters)) : mark).finish());
  }

  /** Completes the file with zeroes up to `size`. */
  end(size = 0): this {
    this.files.push(Buffer.concat([...this.#parts, Buffer.alloc(Math.max(0, size - this.#length))]));
    this.#parts = [];
    this.#length = 0;
    this.offsets.length = 0;
    return this;
  }

  #record(type: number, data: Buffer): this {
    this.#crc = crc32c(this.#crc, data);
    this.#frame(new ProtoWriter().number(1, type).number(2, this.#crc).message(3, data).finish());
    return this;
  }

  #frame(record: Buffer): void {
    const padding = (8 - (record.length % 8)) % 8;
    const header = Buffer.alloc(8);
    header.writeBigUInt64LE(BigInt(record.length));
    if (padding > 0) header[7] = 0x80 | padding;
    this.offsets.push(this.#length);
    this.#parts.push(header, record, Buffer.alloc(padding));
    this.#length += 8 + record.length + padding;
  }
}

/** raftpb.ConfState. */
export function confState(voters: readonly bigint[]): Buffer {
  const state = new ProtoWriter();
  for (const voter of voters) state.number(1, voter);
  return state.finish();
}

/** File name of the WAL file with this number whose first entry has this index. */
export function walFileName(sequence: number, index: bigint): string {
  const hex = (value: bigint): string => value.toString(16).padStart(16, '0');
  return `${hex(BigInt(sequence))}-${hex(index)}.wal`;
}
