import { setImmediate } from 'node:timers/promises';
import type { Kv, WriteOperation } from '../etcd/facets/kv.js';
import { settleTransaction, type GuardedWrite, type WriteGuard } from './transaction.js';

/**
 * etcd takes 128 operations and, of 1.5 MiB, whatever fits with its own framing. A larger transaction is no
 * faster, so there is room to spare; one value larger than this goes alone.
 */
const operationsPerTransaction = 128;
const bytesPerTransaction = 1024 * 1024;
/**
 * Found by measuring on three members with TLS and values of 550 bytes: 8 were 7% slower, 32 no faster. Both
 * sides then wait for the processor, not for each other.
 */
const transactionsInFlight = 16;
/** Bounds the memory where values are large. */
const bytesInFlight = 4 * 1024 * 1024;
/** What protobuf adds to key and value of an operation with its guard, at most. */
const framingBytes = 64;

export interface TransactionWriterOptions {
  readonly signal: AbortSignal;
  /** Called as transactions are acknowledged. */
  readonly onWritten?: (writes: number) => void;
}

/**
 * Sends many writes as transactions of etcd's size, many at once and in no order. A key may come once between
 * two calls of `drain`. After a failure every call throws it.
 */
export class TransactionWriter {
  written = 0;
  readonly #client: Kv;
  readonly #options: TransactionWriterOptions;
  readonly #inFlight = new Set<Promise<void>>();
  #bytesInFlight = 0;
  #chunk: GuardedWrite[] = [];
  #chunkBytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(client: Kv, options: TransactionWriterOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Takes a write, and waits while enough are under way. Without a guard the key is written whatever it holds. */
  async write(operation: WriteOperation, guard?: WriteGuard): Promise<void> {
    const bytes = operationBytes(operation);
    const full = this.#chunk.length === operationsPerTransaction;
    if (full || (this.#chunk.length > 0 && this.#chunkBytes + bytes > bytesPerTransaction)) {
      await this.#send();
    }
    this.#chunk.push({ operation, guard });
    this.#chunkBytes += bytes;
  }

  /** What is written next goes into another transaction. */
  endTransaction(): Promise<void> {
    return this.#send();
  }

  /** Waits until all that was written is acknowledged. */
  async drain(): Promise<void> {
    await this.#send();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
  }

  /** After a failure elsewhere: waits for what is under way, whatever becomes of it. */
  async settle(): Promise<void> {
    this.#chunk = [];
    await Promise.all(this.#inFlight);
  }

  async #send(): Promise<void> {
    const chunk = this.#chunk;
    const bytes = this.#chunkBytes;
    this.#chunk = [];
    this.#chunkBytes = 0;
    if (chunk.length === 0) return;
    await this.#waitForRoom(bytes);
    this.#bytesInFlight += bytes;
    const transaction = this.#commit(chunk).finally(() => {
      this.#bytesInFlight -= bytes;
      this.#inFlight.delete(transaction);
    });
    this.#inFlight.add(transaction);
  }

  async #waitForRoom(bytes: number): Promise<void> {
    this.#throwFailure();
    while (
      this.#inFlight.size >= transactionsInFlight ||
      (this.#inFlight.size > 0 && this.#bytesInFlight + bytes > bytesInFlight)
    ) {
      await Promise.race(this.#inFlight);
      this.#throwFailure();
    }
    // Back to the event loop: answers and signals must not starve behind a fast source.
    await setImmediate();
  }

  /** Never rejects: a failure is kept for the caller, who is not waiting here. */
  async #commit(chunk: readonly GuardedWrite[]): Promise<void> {
    try {
      await settleTransaction(this.#client, chunk, this.#options.signal);
      this.written += chunk.length;
      this.#options.onWritten?.(chunk.length);
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  #throwFailure(): void {
    this.#options.signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

function operationBytes(operation: WriteOperation): number {
  const value = operation.type === 'put' ? operation.value.length : 0;
  return 2 * operation.key.length + value + framingBytes;
}
