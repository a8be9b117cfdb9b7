import { FerryError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import { readBlob, snapshotPath } from './transport/messages.js';
import type { Transport } from './transport/transport.js';

/** Behind the database, which alone etcd counts when it says how much is left. */
const sha256Bytes = 32;
const nothing = Buffer.alloc(0);

/**
 * The bytes of a snapshot from that one endpoint, its sha256 at the end. A part is valid until the next is asked for.
 * @throws FerryError SNAPSHOT_STALLED (`unreachable`), SNAPSHOT_TOO_LONG (`source`), what the transport throws
 */
export async function* readSnapshot(transport: Transport, endpoint: string): AsyncGenerator<Buffer> {
  const stream = await transport.openServerStream(endpoint, snapshotPath, nothing);
  const idle = new IdleGuard(stream, transport.deadlineMs);
  let received = 0n;
  let announced: bigint | undefined;
  try {
    idle.waits();
    for await (const answer of stream) {
      const { blob, remaining } = readBlob(answer);
      idle.rests(blob.length);
      announced ??= remaining + BigInt(blob.length + sha256Bytes);
      received += BigInt(blob.length);
      if (received > announced) throw tooLong(endpoint, announced);
      yield blob;
      idle.waits();
    }
  } catch (error) {
    transport.throwIfAborted();
    throw idle.expired ? stalled(endpoint, transport.deadlineMs) : transport.failureOf(error, endpoint);
  } finally {
    idle.end();
  }
}

/** etcd sends 32 KiB at a time; what drips more slowly than this in the time allowed comes to no end. */
const leastBytes = 4096;

/**
 * Ends a stream on which nothing, or next to nothing, comes for a while: a deadline for the whole would cut a large
 * store short. The time that the reader takes for what has come does not count; its disk may be slow.
 */
class IdleGuard {
  expired = false;
  #waitingSince: number | undefined;
  #waitedMs = 0;
  #bytes = 0;
  readonly #watch: NodeJS.Timeout;

  constructor(stream: { cancel(): void }, idleMs: number) {
    const look = (): void => {
      if (this.#waitingSince === undefined || this.#waited(this.#waitingSince) < idleMs) return;
      this.expired = true;
      stream.cancel();
    };
    this.#watch = setInterval(look, idleMs / 8);
  }

  waits(): void {
    this.#waitingSince = performance.now();
  }

  rests(bytes: number): void {
    if (this.#waitingSince !== undefined) this.#waitedMs = this.#waited(this.#waitingSince);
    this.#waitingSince = undefined;
    this.#bytes += bytes;
    if (this.#bytes >= leastBytes) [this.#bytes, this.#waitedMs] = [0, 0];
  }

  end(): void {
    clearInterval(this.#watch);
  }

  #waited(since: number): number {
    return this.#waitedMs + performance.now() - since;
  }
}

function stalled(endpoint: string, idleMs: number): FerryError {
  return new FerryError({
    kind: 'unreachable',
    code: 'SNAPSHOT_STALLED',
    message: `The snapshot of ${endpoint} stalled: nothing came for ${idleMs / 1000} s, or next to nothing.`,
    hint: 'Look at the network and at the disk of that member, then try again.',
  });
}

function tooLong(endpoint: string, announced: bigint): FerryError {
  return new FerryError({
    kind: 'source',
    code: 'SNAPSHOT_TOO_LONG',
    message: `${endpoint} sends more than the ${formatBytes(Number(announced))} that it announced for its snapshot.`,
    hint: 'Make sure that the endpoint is that of etcd, and that no proxy changes what goes through it.',
  });
}
