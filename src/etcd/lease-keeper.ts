import type { ClientDuplexStream } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lease, LeaseId } from '../store/view.js';
import type { LeaseKeeper } from './client.js';
import type { Transport } from './transport.js';
import { leaseIdOf } from './wire.js';

interface Held {
  readonly ttl: bigint;
  /** On the clock of `performance.now()`. */
  renewAt: number;
}

const tickMs = 250;

/** Renewals by the raw stream: etcd3's own lease cannot take over a lease that it did not grant. */
export class StreamLeaseKeeper implements LeaseKeeper {
  readonly lost = new Set<LeaseId>();
  readonly #transport: Transport;
  readonly #held = new Map<LeaseId, Held>();
  readonly #closing = new AbortController();
  readonly #work: Promise<void>;
  #stream: ClientDuplexStream<unknown, unknown> | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#work = this.#renewUntilClosed();
  }

  hold(lease: Lease): void {
    this.lost.delete(lease.id);
    this.#held.set(lease.id, { ttl: lease.ttl, renewAt: performance.now() + interval(lease.ttl) });
  }

  release(id: LeaseId): void {
    this.#held.delete(id);
  }

  async close(): Promise<void> {
    this.#held.clear();
    this.#closing.abort();
    await this.#work;
    this.#stream?.cancel();
  }

  async #renewUntilClosed(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const due = this.#takeDue();
      if (due.length > 0) await this.#renew(due);
      await sleep(tickMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
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

  /** A stream that broke is opened anew at the next tick; a third of the TTL leaves time for two of them. */
  async #renew(ids: readonly LeaseId[]): Promise<void> {
    try {
      this.#stream ??= await this.#open();
      for (const id of ids) this.#stream.write({ ID: String(id) });
    } catch {
      this.#retrySoon(ids);
    }
  }

  async #open(): Promise<ClientDuplexStream<unknown, unknown>> {
    const stream = await this.#transport.openDuplex('Lease', 'leaseKeepAlive');
    const forget = (): void => {
      if (this.#stream !== stream) return;
      this.#stream = undefined;
      this.#retrySoon([...this.#held.keys()]);
    };
    stream.on('data', (answer: { ID: string; TTL: string }) => {
      // etcd answers a TTL of 0 for a lease that it does not have any more.
      const id = leaseIdOf(answer.ID);
      if (BigInt(answer.TTL) <= 0n && this.#held.delete(id)) this.lost.add(id);
    });
    stream.once('error', forget);
    stream.once('end', forget);
    return stream;
  }

  #retrySoon(ids: readonly LeaseId[]): void {
    const soon = performance.now() + tickMs;
    for (const id of ids) {
      const held = this.#held.get(id);
      if (held !== undefined) held.renewAt = Math.min(held.renewAt, soon);
    }
  }
}

/** Milliseconds between two renewals. */
const interval = (ttl: bigint): number => (Number(ttl) * 1000) / 3;
