import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { pipeline } from 'node:stream/promises';
import { createGunzip, gunzip } from 'node:zlib';
import { FerryError } from '../../core/errors.js';
import { chunkPrefix, encryptedChunkPrefix, manifestName, type ByteSink } from './archive-writer.js';
import { chunkSize } from '../../core/chunks.js';
import { decrypt, type DecryptionKeys } from '../../age/encryption.js';
import { parseManifest, type Manifest } from './manifest.js';
import { blockSize, entryHead, readHead } from './tar-head.js';

const decompress = promisify(gunzip);

/** Above what a writer makes of a chunk, and of a manifest: an entry that claims more is damage, not data. */
const largestEntry = 4 * 1024 * 1024;

/** An archive that is read front to back. `path` names it to people. */
export interface ArchiveSource {
  readonly path: string;
  readonly bytes: AsyncIterable<Buffer>;
}

/**
 * Passes the plain snapshot of an archive to the sink and checks it against the manifest: order and number of
 * chunks, sizes and both hashes.
 * @param told Bytes that it may unpack to, as its manifest says.
 * @throws FerryError ARCHIVE_DAMAGED, MANIFEST_INVALID (`integrity`), NOT_AN_ARCHIVE (`source`), SNAPSHOT_ENCRYPTED,
 * KEY_DOES_NOT_FIT (`denied`)
 */
export async function readArchive(
  archive: ArchiveSource,
  sink: ByteSink,
  keys: DecryptionKeys = { identities: [], passphrases: [] },
  told = Infinity,
): Promise<Manifest> {
  const stored = new StoredChunks(archive);
  const hash = createHash('sha256');
  let size = 0;
  for await (const plain of plainBytes(stored, keys)) {
    hash.update(plain);
    size += plain.length;
    if (size > told) throw damaged(archive.path, 'unpacks to more than its manifest says');
    await sink.write(plain);
  }
  const manifest = stored.finish();
  if (manifest.plain.size !== size || manifest.plain.sha256 !== hash.digest('hex')) {
    throw damaged(archive.path, 'does not match the plain sha256 of its manifest');
  }
  return manifest;
}

/** The chunks of an archive as they lie in it, in their order, and then its manifest. */
class StoredChunks {
  readonly path: string;
  /** Told by the name of the first chunk. */
  encrypted = false;
  readonly #source: ArchiveSource;
  readonly #hash = createHash('sha256');
  #size = 0;
  #count = 0;
  #manifest: Manifest | undefined;

  constructor(source: ArchiveSource) {
    this.#source = source;
    this.path = source.path;
  }

  async *read(): AsyncGenerator<Buffer, void, undefined> {
    for await (const { name, body } of entriesOf(this.#source)) {
      if (this.#manifest !== undefined) throw damaged(this.path, 'has data behind its manifest');
      if (name === manifestName) {
        this.#manifest = parseManifest(body, this.path);
        continue;
      }
      this.#checkName(name);
      this.#hash.update(body);
      this.#size += body.length;
      this.#count += 1;
      yield body;
    }
  }

  /** To be called when all was read. */
  finish(): Manifest {
    const manifest = this.#manifest;
    if (manifest === undefined) throw damaged(this.path, 'has no manifest, so it was cut short');
    const { stored, encrypted } = manifest;
    if (stored.chunks !== this.#count || stored.size !== this.#size) {
      throw damaged(this.path, `holds ${this.#count} chunks, but its manifest names ${stored.chunks}`);
    }
    if (stored.sha256 !== this.#hash.digest('hex')) {
      throw damaged(this.path, 'does not match the stored sha256 of its manifest');
    }
    if ((encrypted !== undefined) !== this.encrypted) {
      throw damaged(this.path, 'is not encrypted as its manifest says');
    }
    return manifest;
  }

  #checkName(name: string): void {
    if (this.#count === 0) this.encrypted = name.startsWith(encryptedChunkPrefix);
    const prefix = this.encrypted ? encryptedChunkPrefix : chunkPrefix;
    if (name === `${prefix}${String(this.#count).padStart(6, '0')}`) return;
    if (this.#count === 0 && !name.startsWith(chunkPrefix)) throw notAnArchive(this.path);
    throw damaged(this.path, `has an entry that does not belong there after chunk ${this.#count}`);
  }
}

async function* plainBytes(stored: StoredChunks, keys: DecryptionKeys): AsyncGenerator<Buffer> {
  const chunks = stored.read();
  const first = await chunks.next();
  if (first.done === true) return;
  const all = startingWith(first.value, chunks);
  if (stored.encrypted) {
    yield* decrypted(stored, all, keys);
    return;
  }
  let number = 0;
  for await (const chunk of all) yield await decompressChunk(chunk, stored.path, number++);
}

async function* startingWith(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

async function decompressChunk(chunk: Buffer, path: string, number: number): Promise<Buffer> {
  try {
    return await decompress(chunk, { maxOutputLength: chunkSize });
  } catch (error) {
    throw damaged(path, `has a damaged chunk ${number}`, error);
  }
}

/** The chunks are pieces of one age file, whose content are the compressed chunks one behind the other. */
async function* decrypted(
  stored: StoredChunks,
  chunks: AsyncGenerator<Buffer>,
  keys: DecryptionKeys,
): AsyncGenerator<Buffer> {
  if (keys.identities.length + keys.passphrases.length === 0) throw encrypted(stored.path);
  const compressed = decrypt(chunks, keys, async (fault, cause) => {
    if (fault === 'damaged') return damaged(stored.path, 'cannot be decrypted: it was changed', cause);
    // Damage to the first bytes looks like a wrong key too; the hash tells them apart.
    while ((await chunks.next()).done !== true);
    stored.finish();
    return keyDoesNotFit(stored.path, cause);
  });
  const unpacking = createGunzip({ chunkSize: largeRead });
  pipeline(compressed, unpacking).catch(() => undefined);
  try {
    for await (const plain of unpacking) yield plain as Buffer;
  } catch (error) {
    throw error instanceof FerryError ? error : damaged(stored.path, 'has a damaged chunk', error);
  }
}

interface Entry {
  readonly name: string;
  readonly body: Buffer;
}

/** Each file of the tar, one after the other, so that one chunk at a time is in memory. */
async function* entriesOf({ path, bytes: source }: ArchiveSource): AsyncGenerator<Entry, void, undefined> {
  const bytes = new ByteReader(source);
  let modified: Date | undefined;
  for (;;) {
    const head = await bytes.read(blockSize);
    if (head === undefined) throw damaged(path, 'is cut short');
    if (head.every((byte) => byte === 0)) return expectEnd(path, bytes);
    const header = readHead(head);
    if (header === undefined) throw damaged(path, 'is not a tar file, or is damaged');
    const { size } = header;
    if (size > largestEntry) throw damaged(path, 'has an entry that is larger than any chunk');
    const body = await bytes.read(size);
    const padding = await bytes.read((blockSize - (size % blockSize)) % blockSize);
    if (body === undefined || padding === undefined) throw damaged(path, 'is cut short');
    // A tar's own sum misses bytes that have changed places; all entries are of one time.
    modified ??= header.modified;
    if (ours(header.path) && !head.equals(entryHead(header.path, size, modified))) {
      throw damaged(path, `has a header that was changed, before ${header.path}`);
    }
    if (padding.some((byte) => byte !== 0)) throw damaged(path, `has bytes behind ${header.path}`);
    yield { name: header.path, body };
  }
}

function ours(name: string): boolean {
  return name === manifestName || name.startsWith(chunkPrefix);
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

function encrypted(path: string): FerryError {
  return new FerryError({
    kind: 'denied',
    code: 'SNAPSHOT_ENCRYPTED',
    message: `The archive ${path} is encrypted.`,
    hint: 'Add --identity-file or --passphrase-file, whichever it was made for.',
  });
}

function keyDoesNotFit(path: string, cause: unknown): FerryError {
  return new FerryError({
    kind: 'denied',
    code: 'KEY_DOES_NOT_FIT',
    message: `The archive ${path} is encrypted for somebody else: neither identity nor passphrase fits.`,
    hint: 'Give the identity of one of the recipients, which its manifest.json names, or the passphrase.',
    cause,
  });
}
