import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Header } from 'tar/header';
import { FerryError } from '../core/errors.js';
import { chunkPrefix, manifestName, type ByteSink } from './archive-writer.js';
import { parseManifest, type Manifest } from './manifest.js';

const decompress = promisify(gunzip);

/** Far above what a writer makes of 1 MiB: a chunk that claims more is damage, not data. */
const largestChunk = 64 * 1024 * 1024;

/**
 * Reads an archive front to back, passes the plain snapshot to the sink and checks it against the manifest:
 * order and number of chunks, sizes and both hashes.
 */
export async function readArchive(path: string, sink: ByteSink, signal: AbortSignal): Promise<Manifest> {
  const reader = new ChunkReader(path, sink);
  await eachEntry(path, signal, (name, body) => reader.take(name, body));
  return reader.finish();
}

class ChunkReader {
  readonly #path: string;
  readonly #sink: ByteSink;
  readonly #plain = createHash('sha256');
  readonly #stored = createHash('sha256');
  #plainSize = 0;
  #storedSize = 0;
  #chunks = 0;
  #manifest: Manifest | undefined;

  constructor(path: string, sink: ByteSink) {
    this.#path = path;
    this.#sink = sink;
  }

  async take(name: string, body: Buffer): Promise<void> {
    if (this.#manifest !== undefined) throw damaged(this.#path, 'has data behind its manifest');
    if (name === manifestName) {
      this.#manifest = parseManifest(body, this.#path);
      return;
    }
    if (name !== `${chunkPrefix}${String(this.#chunks).padStart(6, '0')}`) {
      if (this.#chunks === 0 && !name.startsWith(chunkPrefix)) throw notAnArchive(this.#path);
      throw damaged(this.#path, `has an entry that does not belong there after chunk ${this.#chunks}`);
    }
    this.#stored.update(body);
    this.#storedSize += body.length;
    const plain = await this.#decompress(body);
    this.#plain.update(plain);
    this.#plainSize += plain.length;
    this.#chunks += 1;
    await this.#sink.write(plain);
  }

  finish(): Manifest {
    const manifest = this.#manifest;
    if (manifest === undefined) throw damaged(this.#path, 'has no manifest, so it was cut short');
    if (manifest.stored.chunks !== this.#chunks || manifest.stored.size !== this.#storedSize) {
      throw damaged(
        this.#path,
        `holds ${this.#chunks} chunks, but its manifest names ${manifest.stored.chunks}`,
      );
    }
    if (manifest.stored.sha256 !== this.#stored.digest('hex')) {
      throw damaged(this.#path, 'does not match the stored sha256 of its manifest');
    }
    if (manifest.plain.size !== this.#plainSize || manifest.plain.sha256 !== this.#plain.digest('hex')) {
      throw damaged(this.#path, 'does not match the plain sha256 of its manifest');
    }
    return manifest;
  }

  async #decompress(body: Buffer): Promise<Buffer> {
    try {
      return await decompress(body, { maxOutputLength: largestChunk });
    } catch (error) {
      throw damaged(this.#path, `has a damaged chunk ${this.#chunks}`, error);
    }
  }
}

const blockSize = 512;

/** Calls `take` for each file of the tar, one after the other, so that one chunk at a time is in memory. */
async function eachEntry(
  path: string,
  signal: AbortSignal,
  take: (name: string, body: Buffer) => Promise<void>,
): Promise<void> {
  const file = createReadStream(path, { highWaterMark: largeRead, signal });
  try {
    await eachEntryOf(path, new ByteReader(file), take);
  } finally {
    file.destroy();
  }
}

async function eachEntryOf(
  path: string,
  bytes: ByteReader,
  take: (name: string, body: Buffer) => Promise<void>,
): Promise<void> {
  for (;;) {
    const head = await bytes.read(blockSize);
    if (head === undefined) throw damaged(path, 'is cut short');
    if (head.every((byte) => byte === 0)) return expectEnd(path, bytes);
    const header = new Header(head);
    const size = header.size ?? 0;
    if (!header.cksumValid || header.path === undefined)
      throw damaged(path, 'is not a tar file, or is damaged');
    if (size > largestChunk) throw damaged(path, 'has an entry that is larger than any chunk');
    const body = await bytes.read(size);
    const padding = await bytes.read((blockSize - (size % blockSize)) % blockSize);
    if (body === undefined || padding === undefined) throw damaged(path, 'is cut short');
    await take(header.path, body);
  }
}

/** A tar ends with two blocks of zeroes, of which the first was read. */
async function expectEnd(path: string, bytes: ByteReader): Promise<void> {
  const second = await bytes.read(blockSize);
  if (second?.every((byte) => byte === 0) !== true) throw damaged(path, 'is cut short');
  if ((await bytes.read(1)) !== undefined) throw damaged(path, 'has data behind its end');
}

const largeRead = 1024 * 1024;

/** Gives out a stream of buffers in pieces of the sizes that are asked for. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly so many bytes, or undefined when the stream has fewer left. */
  async read(size: number): Promise<Buffer | undefined> {
    const parts = [this.#rest];
    let available = this.#rest.length;
    while (available < size) {
      const next = await this.#source.next();
      if (next.done === true) return undefined;
      parts.push(next.value);
      available += next.value.length;
    }
    const gathered = parts.length === 1 ? this.#rest : Buffer.concat(parts);
    this.#rest = gathered.subarray(size);
    return gathered.subarray(0, size);
  }
}

function damaged(path: string, fault: string, cause?: unknown): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'ARCHIVE_DAMAGED',
    message: `The archive ${path} ${fault}.`,
    hint: 'Take another snapshot file; nothing was changed.',
    cause,
  });
}

function notAnArchive(path: string): FerryError {
  return new FerryError({
    kind: 'source',
    code: 'NOT_AN_ARCHIVE',
    message: `${path} is a tar file, but not an archive of sensu-ferry.`,
    hint: 'Give a .sferry archive, a snapshot of etcdctl, or a folder that holds data and wal.',
  });
}
