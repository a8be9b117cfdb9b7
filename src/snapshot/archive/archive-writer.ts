import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { startEncryption, type CipherStream, type Encryption } from '../../age/encryption.js';
import { manifestBytes } from './manifest-seal.js';
import type { Manifest } from './manifest.js';
import { blockSize, entryHead } from './tar-head.js';

const compress = promisify(gzip);

/** Where bytes of an archive go, in order. */
export interface ByteSink {
  write(bytes: Buffer): Promise<void>;
}

export const manifestName = 'manifest.json';

/** Names the chunks so that `cat snapshot.db.gz.* | gunzip` gives the etcd snapshot back without this program. */
export const chunkPrefix = 'snapshot.db.gz.';

/** Likewise `cat snapshot.db.gz.age.* | age --decrypt | gunzip`. */
export const encryptedChunkPrefix = 'snapshot.db.gz.age.';

/** Chunks are compressed side by side on the thread pool, so one core is no limit. */
const chunksInFlight = 4;

/** A chunk that was added may change once so many have been added in all, itself included. */
export const chunksHeld = chunksInFlight + 1;

/** Room for a compressed chunk in most cases: zlib comes back to the main thread whenever its output is full. */
const outputSize = 256 * 1024;

/** Writes an archive front to back: chunks of the snapshot as they come, the manifest last. */
export class ArchiveWriter {
  readonly #sink: ByteSink;
  readonly #modified: Date;
  readonly #encryption: Encryption | undefined;
  #cipher: CipherStream | undefined;
  readonly #stored = createHash('sha256');
  #storedSize = 0;
  #chunks = 0;
  readonly #inFlight: Promise<Buffer>[] = [];

  constructor(sink: ByteSink, modified: Date, encryption?: Encryption) {
    this.#sink = sink;
    this.#modified = modified;
    this.#encryption = encryption;
  }

  /** Adds the next chunk of the plain snapshot. The buffer must not change while it is held: see `chunksHeld`. */
  async add(chunk: Buffer): Promise<void> {
    const compressed = compress(chunk, { level: constants.Z_BEST_SPEED, chunkSize: outputSize });
    // A failure is met when the chunk's turn to be written comes; until then it must not count as unhandled.
    compressed.catch(() => undefined);
    this.#inFlight.push(compressed);
    if (this.#inFlight.length > chunksInFlight) await this.#writeOldestChunk();
  }

  /** Ends the snapshot; nothing but the manifest may follow. */
  async finishSnapshot(): Promise<Manifest['stored']> {
    while (this.#inFlight.length > 0) await this.#writeOldestChunk();
    await this.#cipher?.end();
    return {
      size: this.#storedSize,
      sha256: this.#stored.digest('hex'),
      chunks: this.#chunks,
      compression: 'gzip',
    };
  }

  async finish(manifest: Manifest): Promise<void> {
    await this.#writeEntry(manifestName, manifestBytes(manifest));
    await this.#sink.write(Buffer.alloc(2 * blockSize));
  }

  async #writeOldestChunk(): Promise<void> {
    const bytes = await this.#inFlight.shift()!;
    if (this.#encryption === undefined) return this.#writeChunk(chunkPrefix, bytes);
    this.#cipher ??= await startEncryption(this.#encryption, (piece) =>
      this.#writeChunk(encryptedChunkPrefix, piece),
    );
    await this.#cipher.write(bytes);
  }

  async #writeChunk(prefix: string, bytes: Buffer): Promise<void> {
    this.#stored.update(bytes);
    this.#storedSize += bytes.length;
    await this.#writeEntry(`${prefix}${String(this.#chunks).padStart(6, '0')}`, bytes);
    this.#chunks += 1;
  }

  async #writeEntry(path: string, body: Buffer): Promise<void> {
    const head = entryHead(path, body.length, this.#modified);
    const padding = Buffer.alloc((blockSize - (body.length % blockSize)) % blockSize);
    await this.#sink.write(Buffer.concat([head, body, padding]));
  }
}
