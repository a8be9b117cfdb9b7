import type { Writable } from 'node:stream';
import { FerryError, systemCode } from '../core/errors.js';
import type { Storage, StorageWriter } from './storage.js';

/** Standard output, or another stream that somebody reads a file from. Takes one file, and nothing back. */
export class StreamDestination implements Pick<Storage, 'remote' | 'create' | 'pathOf' | 'removeUnfinished'> {
  /** Who reads it is not known; most often it is a program that encrypts or compresses. */
  readonly remote = false;
  readonly #stream: Writable;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  pathOf(): string {
    return 'standard output';
  }

  create(_name: string, signal: AbortSignal): Promise<StorageWriter> {
    return Promise.resolve(new StreamWriter(this.#stream, signal));
  }

  removeUnfinished(): Promise<void> {
    return Promise.resolve();
  }
}

class StreamWriter implements StorageWriter {
  size = 0;
  readonly #stream: Writable;
  readonly #signal: AbortSignal;

  constructor(stream: Writable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
  }

  /** Returns when the reader has room for more. */
  async write(chunk: Buffer): Promise<void> {
    this.#signal.throwIfAborted();
    this.size += chunk.length;
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        reject(this.#signal.reason as Error);
      };
      this.#signal.addEventListener('abort', stop, { once: true });
      this.#stream.write(chunk, (error) => {
        this.#signal.removeEventListener('abort', stop);
        if (error == null) resolve();
        else reject(cannotWrite(error));
      });
    });
  }

  /** Everything is with the reader already. */
  commit(): Promise<void> {
    return Promise.resolve();
  }

  /** The reader has what it has: the end is missing. */
  abort(): Promise<void> {
    return Promise.resolve();
  }
}

function cannotWrite(error: Error): FerryError {
  const code = systemCode(error) ?? 'unknown error';
  return new FerryError({
    kind: 'failed',
    code: 'OUTPUT_NOT_WRITTEN',
    message: `The snapshot cannot be written to standard output (${code}).`,
    hint: 'What was written so far is no snapshot. See why the program that reads it has ended.',
    cause: error,
  });
}
