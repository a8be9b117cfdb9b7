import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { FerryError, systemCode } from '../../core/errors.js';
import { requireFolderOf } from '../../core/folder.js';
import { PartFile, refuseSpecial, refuseTaken } from '../../core/part-file.js';
import type { CipherStream, Encryption } from '../../age/encryption.js';
import type { Framing } from '../framing.js';
import type { ResourceName } from '../loss-report.js';

/** Where the documents of a dump go. */
export interface DumpOutput {
  /** Takes a document. Waits where those who read cannot keep up. */
  write(document: string, of: ResourceName): Promise<void>;
  /** All is written: gives files their names. */
  finish(): Promise<void>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
  /** Whether some of it is where nobody can take it back. */
  readonly isOut: boolean;
}

/** Whoever read the dump has seen enough. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

/** Takes bytes in order. */
export interface ByteSink {
  write(bytes: Buffer): Promise<void>;
  finish(): Promise<void>;
  abandon(): Promise<void>;
  readonly isOut: boolean;
}

const pieceSize = 256 * 1024;
/** The first piece is on its way at once: someone waits for it. */
const firstPiece = 4 * 1024;
/** Bytes that a character of UTF-16 takes in UTF-8, at most. */
const bytesPerUnit = 3;

/** All documents in one stream, in pieces. */
export class StreamOutput implements DumpOutput {
  readonly #sink: ByteSink;
  readonly #framing: Framing;
  /** Documents become bytes at once: as texts that wait for others they cost a third of the time in garbage. */
  #piece = Buffer.allocUnsafe(pieceSize);
  #used = 0;
  #limit = firstPiece;
  #documents = 0;

  constructor(sink: ByteSink, framing: Framing) {
    this.#sink = sink;
    this.#framing = framing;
  }

  write(document: string): Promise<void> {
    const { head, separator } = this.#framing;
    const before = this.#documents === 0 ? head : separator;
    this.#documents += 1;
    return this.#append(before + document);
  }

  async #append(text: string): Promise<void> {
    if (text.length * bytesPerUnit > pieceSize) {
      await this.#flush();
      await this.#sink.write(Buffer.from(text));
      return;
    }
    if (this.#used + text.length * bytesPerUnit > pieceSize) await this.#flush();
    this.#used += this.#piece.write(text, this.#used);
    if (this.#used >= this.#limit) await this.#flush();
  }

  async finish(): Promise<void> {
    const { head, end } = this.#framing;
    await this.#append((this.#documents === 0 ? head : '') + end(this.#documents));
    await this.#flush();
    await this.#sink.finish();
  }

  abandon(): Promise<void> {
    return this.#sink.abandon();
  }

  get isOut(): boolean {
    return this.#sink.isOut;
  }

  /** The sink may keep what it was given. */
  async #flush(): Promise<void> {
    const bytes = this.#piece.subarray(0, this.#used);
    this.#piece = Buffer.allocUnsafe(pieceSize);
    this.#used = 0;
    this.#limit = pieceSize - 16 * 1024;
    if (bytes.length > 0) await this.#sink.write(bytes);
  }
}

/** A file that is there whole or not at all, 0600 from its first byte. */
export class FileSink implements ByteSink {
  readonly isOut = false;
  readonly #path: string;
  readonly #part: PartFile;
  readonly #replace: boolean;

  private constructor(path: string, part: PartFile, replace: boolean) {
    this.#path = path;
    this.#part = part;
    this.#replace = replace;
  }

  /**
   * @param replace Whether a file of that name gives way; else it is refused, now and when the dump is there.
   * @throws FerryError CANNOT_WRITE (`failed`), and as `check`
   */
  static async create(path: string, replace: boolean): Promise<FileSink> {
    await FileSink.check(path, replace);
    return new FileSink(path, await PartFile.create(path), replace);
  }

  /** Before a source is read that takes its time. @throws FerryError FILE_EXISTS (`refused`), FOLDER_UNUSABLE (`usage`) */
  static async check(path: string, replace: boolean): Promise<void> {
    await requireFolderOf(path);
    await refuseSpecial(path);
    if (replace) return;
    await refuseTaken(
      path,
      'Choose another name, or add --overwrite to have this dump in the place of the file.',
    );
  }

  write(bytes: Buffer): Promise<void> {
    return this.#part.write(bytes);
  }

  finish(): Promise<void> {
    return this.#replace ? this.#part.replace(this.#path) : this.#part.commit(this.#path);
  }

  abandon(): Promise<void> {
    return this.#part.discard();
  }
}

/** Standard output. Waits for its reader; stops with ReaderGone when that has ended. */
export class StandardOutput implements ByteSink {
  readonly #stream: Writable;
  readonly #signal: AbortSignal;
  #fault: unknown;
  isOut = false;

  constructor(stream: Writable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
  }

  async write(bytes: Buffer): Promise<void> {
    this.#throwFault();
    this.isOut = true;
    const hasRoom = this.#stream.write(bytes, (error) => {
      this.#fault ??= error ?? undefined;
    });
    if (hasRoom) return;
    await this.#untilRoom().catch((error: unknown) => {
      this.#fault ??= error;
    });
    this.#signal.throwIfAborted();
    this.#throwFault();
  }

  async #untilRoom(): Promise<void> {
    const waiting = new AbortController();
    const signal = AbortSignal.any([this.#signal, waiting.signal]);
    try {
      await Promise.race(['drain', 'close'].map((event) => once(this.#stream, event, { signal })));
    } finally {
      // Else the listener for the one that did not come would stay, one for each time of waiting.
      waiting.abort();
    }
  }

  async finish(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#stream.write('', (error) => {
        this.#fault ??= error ?? undefined;
        resolve();
      });
    });
    this.#throwFault();
  }

  abandon(): Promise<void> {
    return Promise.resolve();
  }

  #throwFault(): void {
    if (this.#fault === undefined) return;
    const code = systemCode(this.#fault) ?? 'unknown error';
    if (['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'].includes(code))
      throw new ReaderGone();
    throw new FerryError({
      kind: 'failed',
      code: 'OUTPUT_NOT_WRITTEN',
      message: `The dump cannot be written to standard output (${code}).`,
      hint: 'What was written so far is not the whole dump. Free space, or see why its reader has ended.',
      cause: this.#fault,
    });
  }
}

/** Encrypts with age on the way to another sink. */
export class EncryptedSink implements ByteSink {
  readonly #cipher: CipherStream;
  readonly #sink: ByteSink;

  private constructor(cipher: CipherStream, sink: ByteSink) {
    this.#cipher = cipher;
    this.#sink = sink;
  }

  static async create(sink: ByteSink, encryption: Encryption): Promise<EncryptedSink> {
    const { startEncryption } = await import('../../age/encryption.js');
    // The piece is valid until this returns, and a stream may keep it for longer.
    return new EncryptedSink(
      await startEncryption(encryption, (piece) => sink.write(Buffer.from(piece))),
      sink,
    );
  }

  write(bytes: Buffer): Promise<void> {
    return this.#cipher.write(bytes);
  }

  async finish(): Promise<void> {
    await this.#cipher.end();
    await this.#sink.finish();
  }

  abandon(): Promise<void> {
    return this.#sink.abandon();
  }

  get isOut(): boolean {
    return this.#sink.isOut;
  }
}
