import { MalformedValueError } from './protobuf.js';

/** Sensu compresses single resources; etcd would take none of this size. */
const largest = 64 * 1024 * 1024;
/** The densest element is a copy of 64 bytes in 3: a few bytes that claim to be megabytes get no memory. */
const mostBytesPerByte = 22;

/**
 * Decompresses snappy's block format, the one without frames: a length, then literals and copies of what came
 * before. @throws MalformedValueError
 */
export function unsnappy(bytes: Buffer, what: string): Buffer {
  const fail = (fault: string): Error => new MalformedValueError(`The value of ${what} ${fault}.`);
  const header = lengthOf(bytes);
  const limit = Math.min(largest, mostBytesPerByte * bytes.length);
  if (header === undefined || header.length > limit) throw fail('is not what snappy writes');
  const output = Buffer.allocUnsafe(header.length);
  let from = header.end;
  let to = 0;
  while (from < bytes.length) {
    const { length, copyFrom, next } = elementAt(bytes, from);
    const literal = copyFrom === undefined;
    const outside = literal ? next + length > bytes.length : copyFrom < 1 || copyFrom > to;
    if (next > bytes.length || outside || length > output.length - to) {
      throw fail('is compressed data that is damaged');
    }
    if (literal) {
      bytes.copy(output, to, next, next + length);
      from = next + length;
    } else {
      // Byte by byte: a copy may reach into what it is writing.
      for (let i = to; i < to + length; i++) output[i] = output[i - copyFrom]!;
      from = next;
    }
    to += length;
  }
  if (to !== output.length) throw fail('is compressed data that is cut short');
  return output;
}

interface Element {
  readonly length: number;
  /** How far back; undefined for a literal, whose bytes begin at `next`. */
  readonly copyFrom: number | undefined;
  readonly next: number;
}

/** What lies beyond the end counts as zero; the caller sees that `next` is beyond it. */
function elementAt(bytes: Buffer, at: number): Element {
  const tag = bytes[at]!;
  const high = tag >> 2;
  switch (tag & 3) {
    case 0: {
      // Up to 60 bytes have their length in the tag, longer ones in the 1 to 4 bytes behind it.
      const extra = high < 60 ? 0 : high - 59;
      const length = extra === 0 ? high : littleEndian(bytes, at + 1, extra);
      return { length: length + 1, copyFrom: undefined, next: at + 1 + extra };
    }
    case 1:
      return {
        length: 4 + (high & 7),
        copyFrom: ((tag >> 5) << 8) + littleEndian(bytes, at + 1, 1),
        next: at + 2,
      };
    case 2:
      return { length: high + 1, copyFrom: littleEndian(bytes, at + 1, 2), next: at + 3 };
    default:
      return { length: high + 1, copyFrom: littleEndian(bytes, at + 1, 4), next: at + 5 };
  }
}

function littleEndian(bytes: Buffer, at: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

function lengthOf(bytes: Buffer): { length: number; end: number } | undefined {
  let length = 0;
  for (let i = 0; i < 5 && i < bytes.length; i++) {
    length += (bytes[i]! & 0x7f) * 2 ** (7 * i);
    if (bytes[i]! < 0x80) return { length, end: i + 1 };
  }
  return undefined;
}

/**
 * A block that holds the bytes as they are, in one literal: every reader of the format takes it, and resources are
 * too small for compression to matter.
 */
export function snappyLiteral(bytes: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    length.push(rest < 0x80 ? rest : (rest % 128) + 0x80);
    if (rest < 0x80) break;
  }
  if (bytes.length === 0) return Buffer.from(length);
  const tag = Buffer.alloc(5);
  // The tag of a literal with its length, less one, in the four bytes behind it.
  tag[0] = 63 << 2;
  tag.writeUInt32LE(bytes.length - 1, 1);
  return Buffer.concat([Buffer.from(length), tag, bytes]);
}
