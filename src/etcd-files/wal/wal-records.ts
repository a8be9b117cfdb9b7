import { CorruptFileError } from '../corrupt.js';
import { crc32c } from './crc32c.js';
import type { FileWindow } from '../bbolt/file-window.js';
import { ProtoReader } from '../../protobuf/proto-reader.js';

/** Types of `walpb.Record`. */
export const walRecord = { metadata: 1, entry: 2, state: 3, crc: 4, snapshot: 5 } as const;

export interface WalRecord {
  readonly type: number;
  /** Valid until the next record is asked for. */
  readonly data: Buffer;
  /** Where the record's frame begins in its file. */
  readonly offset: number;
}

/** The last write to a WAL, which a crash cut short; etcd drops it when it starts, as it was never acknowledged. */
export interface TornTail {
  readonly path: string;
  /** Where the torn record begins. */
  readonly offset: number;
  /** Bytes other than zero from there on: what is dropped. */
  readonly bytes: number;
}

const frameHeader = 8;
/** A disk writes sectors whole, so a torn record has sectors that are still zero from the preallocation. */
const sectorLength = 512;
/** gRPC carries no longer request into etcd, and no record holds more than one. */
const longestRecord = 2 ** 31;
/** etcd 3.4 takes no longer record for a whole one; beyond it a length is damage, not a torn write. */
const longestTornRecord = 10 * 1024 * 1024;

/**
 * Reads the records of WAL files that follow each other. The checksum of each record covers all before it, across
 * files; where the first file is not the log's first, its own beginning is taken on trust, as etcd does.
 */
export class WalReader {
  /** Set once the records have been read to their end, if that end is torn. */
  tornTail: TornTail | undefined;
  #crc = 0;

  /** @throws CorruptFileError WAL_CORRUPT for anything but a torn end of the last file */
  *records(files: readonly FileWindow[]): Generator<WalRecord, void, undefined> {
    for (const [i, file] of files.entries()) yield* this.#fileRecords(file, i === files.length - 1);
  }

  *#fileRecords(file: FileWindow, isLast: boolean): Generator<WalRecord, void, undefined> {
    let offset = 0;
    while (offset + frameHeader <= file.size) {
      const frame = frameAt(file, offset);
      if (!frame) break;
      // A frame lies within one sector, so it is never torn.
      if (frame.padding !== (8 - (frame.length % 8)) % 8)
        throw corrupt(file, offset, 'has a length that no record has');
      if (frame.length >= longestRecord)
        throw corrupt(file, offset, `claims ${frame.length} bytes, more than any record has`);
      const start = offset + frameHeader;
      const end = start + frame.length + frame.padding;
      if (end > file.size) {
        const torn = isLast && frame.length < longestTornRecord;
        if (!torn) throw corrupt(file, offset, `claims ${frame.length} bytes, past the end of the file`);
        this.#tear(file, offset);
        return;
      }
      const whole = file.view(start, end - start);
      const record = this.#decode(file, offset, whole, frame.length, isLast);
      if (!record) {
        this.#tear(file, offset);
        return;
      }
      yield record;
      offset = end;
    }
    // A write of several pages that a power cut lost the first of looks like the end, with something behind it.
    if (isLast) this.#tear(file, offset);
  }

  /** Undefined for a record that was cut short by a crash. */
  #decode(
    file: FileWindow,
    offset: number,
    whole: Buffer,
    length: number,
    isLast: boolean,
  ): WalRecord | undefined {
    const torn = (): boolean => isLast && hasZeroSector(whole, offset + frameHeader);
    let fields: { type: number; crc: number; data: Buffer };
    try {
      fields = decodeRecord(file, offset, whole.subarray(0, length));
    } catch (error) {
      if (torn()) return undefined;
      throw error;
    }
    const { type, crc, data } = fields;
    if (type === walRecord.crc) {
      if (this.#crc !== 0 && crc !== this.#crc) {
        throw corrupt(file, offset, 'does not go on from the file before it: its checksum differs');
      }
      this.#crc = crc;
    } else {
      const summed = crc32c(this.#crc, data);
      if (summed !== crc) {
        if (torn()) return undefined;
        throw corrupt(file, offset, 'has the wrong checksum');
      }
      this.#crc = summed;
    }
    return { type, data, offset };
  }

  #tear(file: FileWindow, offset: number): void {
    let bytes = 0;
    const step = zeroes.length;
    for (let at = offset; at < file.size; at += step) {
      const part = file.view(at, Math.min(step, file.size - at));
      // Mostly megabytes of zeroes, which are counted one by one for far too long.
      if (!isZero(part)) for (const byte of part) if (byte !== 0) bytes++;
    }
    if (bytes > 0) this.tornTail = { path: file.path, offset, bytes };
  }
}

/** Undefined at the zeroes of the preallocated rest of the file. */
function frameAt(file: FileWindow, offset: number): { length: number; padding: number } | undefined {
  const header = file.view(offset, frameHeader);
  const low = header.readUInt32LE(0);
  const high = header.readUInt32LE(4);
  if (low === 0 && high === 0) return undefined;
  // The top byte holds the number of padding bytes, marked by its highest bit; the other 56 bits the length.
  const padding = high >= 0x80000000 ? (high >>> 24) & 0x7 : 0;
  return { length: (high & 0xffffff) * 0x100000000 + low, padding };
}

function decodeRecord(
  file: FileWindow,
  offset: number,
  bytes: Buffer,
): { type: number; crc: number; data: Buffer } {
  const message = new ProtoReader((what) => corrupt(file, offset, what), bytes);
  let type = 0;
  let crc = 0;
  let data = bytes.subarray(0, 0);
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) type = Number(message.uint64());
    else if (field === 2) crc = Number(message.uint64() & 0xffffffffn);
    else if (field === 3) data = message.view();
    else message.skip();
  }
  return { type, crc, data };
}

/** `fileOffset` is where `bytes` lie: sectors are those of the file. */
function hasZeroSector(bytes: Buffer, fileOffset: number): boolean {
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + sectorLength - ((fileOffset + at) % sectorLength));
    if (isZero(bytes.subarray(at, end))) return true;
    at = end;
  }
  return false;
}

const zeroes = Buffer.alloc(1024 * 1024);

/** Of at most 1 MiB. */
function isZero(bytes: Buffer): boolean {
  return zeroes.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}

function corrupt(file: FileWindow, offset: number, what: string): CorruptFileError {
  return new CorruptFileError('WAL_CORRUPT', file.path, `record at byte ${offset} ${what}`);
}
