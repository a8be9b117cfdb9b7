import { createHash } from 'node:crypto';
import { sensuRoot } from './sensu-root.js';
import type { KeyRange, LeaseId, StoreEntry, StoreView } from './view.js';

/**
 * What a store holds, whatever revisions it gave to it: equal before and after a logical copy. Keys with a
 * lease come and go by themselves, so they are digested apart. A key whose lease the store does not know
 * never ends (etcd keeps it for ever), so it counts as lasting.
 */
export interface ContentDigest {
  /** SHA-256 in hex over the keys without a lease. */
  readonly lasting: string;
  readonly lastingKeys: number;
  /** SHA-256 in hex over the keys with a lease. */
  readonly ephemeral: string;
  readonly ephemeralKeys: number;
  /** Bytes of all keys and values. */
  readonly bytes: number;
}

/**
 * Digests the range of the view, by default the Sensu root. The form is documented in
 * docs/archive-format.md: for each key in byte order, key and value each behind their length in 4 bytes, then
 * the granted TTL in 8 bytes (0 for none), all big-endian.
 */
export async function digestView(view: StoreView, range: KeyRange = sensuRoot): Promise<ContentDigest> {
  const digester = new Digester(await ttlByLease(view));
  for await (const batch of view.entries(range)) for (const entry of batch) digester.add(entry);
  return digester.finish();
}

export async function ttlByLease(view: StoreView): Promise<ReadonlyMap<LeaseId, bigint>> {
  return new Map((await view.leases()).map((lease) => [lease.id, lease.ttl]));
}

export function sameContent(a: ContentDigest, b: ContentDigest): boolean {
  return a.lasting === b.lasting && a.ephemeral === b.ephemeral;
}

/** For callers that pass over a store anyway. Entries must come in key order. */
export class Digester {
  readonly #ttls: ReadonlyMap<LeaseId, bigint>;
  readonly #lasting = new BufferedHash();
  readonly #ephemeral = new BufferedHash();
  #bytes = 0;

  constructor(ttls: ReadonlyMap<LeaseId, bigint>) {
    this.#ttls = ttls;
  }

  add(entry: StoreEntry): void {
    const ttl = entry.lease === undefined ? undefined : this.#ttls.get(entry.lease);
    (ttl === undefined ? this.#lasting : this.#ephemeral).add(entry.key, entry.value, ttl ?? 0n);
    this.#bytes += entry.key.length + entry.value.length;
  }

  finish(): ContentDigest {
    return {
      lasting: this.#lasting.finish(),
      lastingKeys: this.#lasting.count,
      ephemeral: this.#ephemeral.finish(),
      ephemeralKeys: this.#ephemeral.count,
      bytes: this.#bytes,
    };
  }
}

/** Gathers small pieces: a call into the hash for each of them would cost more than the hashing. */
class BufferedHash {
  count = 0;
  readonly #hash = createHash('sha256');
  readonly #buffer = new Uint8Array(256 * 1024);
  readonly #numbers = new DataView(this.#buffer.buffer);
  #used = 0;

  add(key: Buffer, value: Buffer, ttl: bigint): void {
    this.count += 1;
    this.#append(key);
    this.#append(value);
    this.#reserve(8);
    this.#numbers.setBigUint64(this.#used, ttl);
    this.#used += 8;
  }

  finish(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #append(bytes: Buffer): void {
    this.#reserve(4 + bytes.length);
    this.#numbers.setUint32(this.#used, bytes.length);
    this.#used += 4;
    if (this.#used + bytes.length <= this.#buffer.length) {
      this.#buffer.set(bytes, this.#used);
      this.#used += bytes.length;
    } else {
      this.#flush();
      this.#hash.update(bytes);
    }
  }

  #reserve(length: number): void {
    if (this.#used + length > this.#buffer.length) this.#flush();
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}
