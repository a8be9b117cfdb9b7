import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fixture } from './truth.js';

const block = 512;
const piece = 64 * 1024;

/**
 * Unpacks a recorded data directory into a folder. Not by the package tar, which passes over files of GNU tar's
 * sparse type in silence: the db files are such. Zeroes are left out, so 64 MB of WAL take a few kB.
 */
export function unpackFixture(archive: string, folder: string): void {
  const bytes = gunzipSync(readFileSync(fixture(archive)));
  for (let at = 0; at + block <= bytes.length && bytes[at] !== 0;) {
    const header = bytes.subarray(at, at + block);
    const path = join(folder, text(header, 0, 100));
    const type = String.fromCharCode(header[156]!);
    const stored = octal(header, 124);
    at += block;
    if (type === '5') mkdirSync(path, { recursive: true });
    else if (type === '0') writePieces(path, stored, [{ offset: 0, length: stored }], bytes, at);
    else if (type === 'S') {
      const map = sparseMap(header, bytes, at);
      at = map.dataStart;
      writePieces(path, octal(header, 483), map.pieces, bytes, at);
    } else throw new Error(`${archive} has an entry of the type ${type}`);
    at += Math.ceil(stored / block) * block;
  }
}

interface Piece {
  readonly offset: number;
  readonly length: number;
}

/** The old GNU format: four pieces in the header, 21 more in each block that follows while it says so. */
function sparseMap(header: Buffer, bytes: Buffer, at: number): { pieces: Piece[]; dataStart: number } {
  const pieces = piecesIn(header, 386, 4);
  let more = header[482] === 1;
  while (more) {
    const extension = bytes.subarray(at, at + block);
    pieces.push(...piecesIn(extension, 0, 21));
    more = extension[504] === 1;
    at += block;
  }
  return { pieces, dataStart: at };
}

function piecesIn(bytes: Buffer, start: number, count: number): Piece[] {
  return Array.from({ length: count }, (_, i) => start + i * 24)
    .filter((at) => bytes[at] !== 0)
    .map((at) => ({ offset: octal(bytes, at), length: octal(bytes, at + 12) }));
}

function writePieces(path: string, size: number, pieces: readonly Piece[], bytes: Buffer, at: number): void {
  const fd = openSync(path, 'w', 0o600);
  ftruncateSync(fd, size);
  const zeroes = Buffer.alloc(piece);
  for (const { offset, length } of pieces) {
    for (let done = 0; done < length; done += piece) {
      const part = bytes.subarray(at + done, at + Math.min(done + piece, length));
      if (!part.equals(zeroes)) writeSync(fd, part, 0, part.length, offset + done);
    }
    at += length;
  }
  closeSync(fd);
}

function text(bytes: Buffer, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}

function octal(bytes: Buffer, start: number): number {
  return Number.parseInt(text(bytes, start, 12).trim(), 8);
}
