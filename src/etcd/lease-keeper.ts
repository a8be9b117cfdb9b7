import type { ClientDuplexStream } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lease, LeaseId } from '../store/view.js';
import type { LeaseKeeper } from './facets/leases.js';
import type { Transport } from './transport/transport.js';
import { leaseIdOf } from './transport/wire.js';

interface Held {
  readonly ttl: bigint;
  /** On the clock of `performance.now()`. */
  renewAt: number;
}

type KeepAliveStream = ClientDuplexStream<unknown, unknown>;

const tickMs = 250;
/** A member that answers nothing for so long is left for another: the stream of one that hangs reports no error. */
const silenceMs = 2000;

/** Renewals by the raw stream: etcd3's own lease cannot take over a lease that it did not grant. */
export class StreamLeaseKeeper implements LeaseKeeper {
  readonly lost = new Set<LeaseId>();
  readonly #transport: Transport;
  readonly #held = new Map<LeaseId, Held>();
  /** Renewals that were sent on the stream and not yet answered. */
  readonly #unanswered = new Set<LeaseId>();
  readonly #closing = new AbortController();
  readonly #work: Promise<void>;
  #stream: KeepAliveStream | undefined;
  /** The member that the stream goes to. */
  #member = '';
  #waitingSince = 0;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#work = this.#renewUntilClosed();
  }

  hold(lease: Lease, remaining = lease.ttl): void {
    this.lost.delete(lease.id);
    this.#held.set(lease.id, { ttl: lease.ttl, renewAt: performance.now() + interval(remaining) });
  }

  release(id: LeaseId): void {
    this.#held.delete(id);
  }

  async close(): Promise<void> {
    this.#held.clear();
    this.#closing.abort();
    this.#stream?.cancel();
    await this.#work;
  }

  async #renewUntilClosed(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      if (this.#isSilent()) this.#leaveMember();
      const due = this.#takeDue();
      if (due.length > 0) await this.#renew(due);
      await sleep(tickMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #takeDue(): LeaseId[] {
    const now = performance.now();
    const due: LeaseId[] = [];
    for (const [id, held] of this.#held) {
      if (held.renewAt > now) continue;
      held.renewAt = now + interval(held.ttl);
      due.push(id);
    }
    return due;
  }

  async #renew(ids: readonly LeaseId[]): Promise<void> {
    this.#stream ??= await this.#open();
    if (this.#stream === undefined) {
      this.#retrySoon(ids);
      return;
    }
    if (this.#unanswered.size === 0) this.#waitingSince = performance.now();
    for (const id of ids) {
      this.#unanswered.add(id);
      this.#stream.write({ ID: String(id) });
    }
  }

  /** Undefined when no member could be reached in good time; a third of the TTL leaves time for another try. */
  async #open(): Promise<KeepAliveStream | undefined> {
    const member = this.#transport.preferred;
    const opening = this.#transport.openDuplex('Lease', 'leaseKeepAlive');
    const stream = await Promise.race([
      opening.catch(() => undefined),
      sleep(silenceMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined),
    ]);
    if (stream === undefined) {
      this.#transport.leave(member);
      // It may still open after this keeper has lost its patience.
      opening.then(cancelStream, () => undefined);
      return undefined;
    }
    if (this.#closing.signal.aborted) {
      cancelStream(stream);
      return undefined;
    }
    this.#member = member;
    this.#listen(stream, member);
    return stream;
  }

  #listen(stream: KeepAliveStream, member: string): void {
    const forget = (): void => {
      if (this.#stream !== stream) return;
      this.#transport.leave(member);
      this.#forgetStream();
    };
    stream.on('data', (answer: { ID: string; TTL: string }) => {
      const id = leaseIdOf(answer.ID);
      this.#unanswered.delete(id);
      this.#waitingSince = performance.now();
      // etcd answers a TTL of 0 for a lease that it does not have any more.
      if (BigInt(answer.TTL) <= 0n && this.#held.delete(id)) this.lost.add(id);
    });
    // A stream that is cancelled fails once more, later; without a listener that would end the process.
    stream.on('error', forget);
    stream.once('end', forget);
  }

  #isSilent(): boolean {
    return this.#unanswered.size > 0 && performance.now() - this.#waitingSince > silenceMs;
  }

  #leaveMember(): void {
    this.#transport.leave(this.#member);
    this.#stream?.cancel();
    this.#forgetStream();
  }

  #forgetStream(): void {
    this.#stream = undefined;
    this.#unanswered.clear();
    this.#retrySoon(this.#held.keys());
  }

  /** At the next tick: nobody knows which renewals the lost stream still brought home. */
  #retrySoon(ids: Iterable<LeaseId>): void {
    const soon = performance.now();
    for (const id of ids) {
      const held = this.#held.get(id);
      if (held !== undefined) held.renewAt = Math.min(held.renewAt, soon);
    }
  }
}

function cancelStream(stream: KeepAliveStream): void {
  stream.on('error', () => undefined);
  stream.cancel();
}

/** Milliseconds between two renewals. */
const interval = (ttl: bigint): number => (Number(ttl) * 1000) / 3;
