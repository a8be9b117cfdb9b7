import { CorruptFileError } from '../corrupt.js';
import type { FileWindow } from './file-window.js';

/** One of the two meta pages of a bbolt file. */
export interface Meta {
  readonly pageSize: number;
  /** Page of the root bucket. */
  readonly root: number;
  /** Number of pages in use or once used: every page id is below it. */
  readonly highWaterMark: number;
  /** Page of the list of free pages; undefined where it is not written, as etcd 3.3 and newer have it. */
  readonly freelist: number | undefined;
  readonly txid: bigint;
}

const magic = 0xed0cdaed;
const formatVersion = 2;
const metaFlag = 0x04;
/** Behind the 16 bytes of the page header; the checksum covers the 56 bytes before it. */
const metaOffset = 16;
const checksumOffset = 56;
const metaLength = 64;
/** In place of the freelist's page. */
const noFreelist = 0xffff_ffff_ffff_ffffn;

/**
 * The newer of the two valid meta pages: bbolt writes them in turn, so that one is whole after any crash.
 * @throws CorruptFileError EMPTY_FILE, NOT_BBOLT, SNAPSHOT_TRUNCATED
 */
export function readMeta(file: FileWindow): Meta {
  if (file.size === 0) throw new CorruptFileError('EMPTY_FILE', file.path, 'is empty');
  const first = metaAt(file, 0);
  const second = first ? metaAt(file, first.pageSize) : secondMeta(file);
  const newest = !first || (second && second.txid > first.txid) ? second : first;
  if (!newest) {
    throw new CorruptFileError('NOT_BBOLT', file.path, 'is not a bbolt file: it has no valid meta page');
  }
  const needed = newest.highWaterMark * newest.pageSize;
  if (file.size < needed) {
    const what = `is cut short: it has ${file.size} bytes of the ${needed} that its meta page counts`;
    throw new CorruptFileError('SNAPSHOT_TRUNCATED', file.path, what);
  }
  return newest;
}

/** Every page size that bbolt tries; the second meta page lies at the first multiple of it. */
const pageSizes = Array.from({ length: 15 }, (_, power) => 1024 << power);

/**
 * True when a meta page has ever stood where bbolt puts one, whole or not: what is wrong with such a file is
 * damage. Any other file was never a store.
 */
export function hasMetaPage(file: FileWindow): boolean {
  return [0, ...pageSizes].some(
    (page) => page + metaOffset + 4 <= file.size && file.view(page + metaOffset, 4).readUInt32LE(0) === magic,
  );
}

/** With the first meta page destroyed the page size is unknown, so each possible one is tried, as bbolt does. */
function secondMeta(file: FileWindow): Meta | undefined {
  for (const pageSize of pageSizes) {
    const meta = metaAt(file, pageSize);
    if (meta?.pageSize === pageSize) return meta;
  }
  return undefined;
}

function metaAt(file: FileWindow, offset: number): Meta | undefined {
  const meta = readMetaAt(file, offset);
  return typeof meta === 'string' ? undefined : meta;
}

/** The meta page whose page begins at `offset`, or what is wrong with it. */
export function readMetaAt(file: FileWindow, offset: number): Meta | string {
  if (offset + metaOffset + metaLength > file.size) return 'is beyond the end of the file';
  const bytes = file.view(offset + metaOffset, metaLength);
  if (bytes.readUInt32LE(0) !== magic) return 'does not have the mark of a meta page';
  if (bytes.readUInt32LE(4) !== formatVersion) return `has the format version ${bytes.readUInt32LE(4)}`;
  if (bytes.readBigUInt64LE(checksumOffset) !== fnv64a(bytes.subarray(0, checksumOffset))) {
    return 'does not have the checksum that it says';
  }
  const pageSize = bytes.readUInt32LE(8);
  const root = Number(bytes.readBigUInt64LE(16));
  const freelist = bytes.readBigUInt64LE(32);
  const highWaterMark = Number(bytes.readBigUInt64LE(40));
  // A checksum can be made to fit; the numbers must still make sense before anything is computed with them.
  const plausible =
    pageSize >= 512 && pageSize <= 1 << 24 && (pageSize & (pageSize - 1)) === 0 && root < highWaterMark;
  if (!plausible || highWaterMark * pageSize > Number.MAX_SAFE_INTEGER)
    return 'has numbers that make no sense';
  return {
    ...{ pageSize, root, highWaterMark },
    freelist: freelist === noFreelist ? undefined : Number(freelist),
    txid: bytes.readBigUInt64LE(48),
  };
}

/** A meta page of a bbolt file; of the file's two the one with the higher `txid` counts. */
export function metaPage(id: 0 | 1, meta: Meta): Buffer {
  const page = Buffer.alloc(meta.pageSize);
  page.writeBigUInt64LE(BigInt(id), 0);
  page.writeUInt16LE(metaFlag, 8);
  const body = page.subarray(metaOffset, metaOffset + metaLength);
  body.writeUInt32LE(magic, 0);
  body.writeUInt32LE(formatVersion, 4);
  body.writeUInt32LE(meta.pageSize, 8);
  body.writeBigUInt64LE(BigInt(meta.root), 16);
  body.writeBigUInt64LE(meta.freelist === undefined ? noFreelist : BigInt(meta.freelist), 32);
  body.writeBigUInt64LE(BigInt(meta.highWaterMark), 40);
  body.writeBigUInt64LE(meta.txid, 48);
  body.writeBigUInt64LE(fnv64a(body.subarray(0, checksumOffset)), checksumOffset);
  return page;
}

/** FNV-1a over 64 bits. */
function fnv64a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
