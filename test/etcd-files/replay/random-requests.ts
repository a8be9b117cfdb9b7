import type { Etcd3 } from 'etcd3';

/** Requests in the form of etcd3's raw client. */
export type RawRequest =
  | { readonly call: 'put'; readonly body: object }
  | { readonly call: 'deleteRange'; readonly body: object }
  | { readonly call: 'txn'; readonly body: object }
  | { readonly call: 'leaseGrant'; readonly body: object }
  | { readonly call: 'leaseRevoke'; readonly body: object }
  | { readonly call: 'compact'; readonly body: object };

const leases = ['101', '102', '103', '104', '105', '106'];

/**
 * Requests of every kind that changes a store, on few keys and leases, so that many are refused, compare true as
 * often as false, and overwrite each other. Two things are left out, as etcd itself comes up with another store
 * than its clients saw: a read at an old revision inside a transaction that writes (members that no client waits
 * on, and replay, leave out the read and with it the refusal, up to 3.5), and `ignore_value` behind a deletion
 * in one transaction (a crash at every start).
 */
export class RandomRequests {
  #state: number;
  readonly #only: 'all' | 'writes';

  /** @param only `writes`: transactions neither read nor nest. */
  constructor(seed: number, only: 'all' | 'writes' = 'all') {
    this.#state = seed >>> 0;
    this.#only = only;
  }

  next(): RawRequest {
    const kind = this.#below(40);
    if (kind < 12) return { call: 'put', body: this.#put(true) };
    if (kind < 16) return { call: 'deleteRange', body: this.#delete() };
    if (kind < 31) return { call: 'txn', body: this.#txn(0) };
    if (kind < 35) return { call: 'leaseGrant', body: { TTL: 60 + this.#below(100), ID: this.#lease() } };
    if (kind < 39) return { call: 'leaseRevoke', body: { ID: this.#lease() } };
    return { call: 'compact', body: { revision: this.#below(150) } };
  }

  /** mulberry32: small, and the same on every machine. */
  #below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  #key(): Buffer {
    return Buffer.from(`/k/${this.#below(40).toString(8)}`);
  }

  #value(): Buffer {
    return Buffer.from(`v${this.#below(6)}`);
  }

  #lease(): string {
    return leases[this.#below(leases.length)]!;
  }

  #list<T>(limit: number, item: () => T): T[] {
    return Array.from({ length: this.#below(limit) }, item);
  }

  #put(mayIgnore: boolean): object {
    const lease = this.#below(3) === 0 ? this.#lease() : 0;
    const put = { key: this.#key(), value: this.#value(), lease };
    if (mayIgnore && this.#below(8) === 0) return { ...put, value: Buffer.alloc(0), ignore_value: true };
    if (mayIgnore && this.#below(8) === 0) return { ...put, lease: 0, ignore_lease: true };
    return put;
  }

  #delete(): object {
    const key = this.#key();
    if (this.#below(2) === 0) return { key };
    if (this.#below(5) > 0) return { key, range_end: Buffer.from(`/k/${this.#below(7) + 1}`) };
    return { key: Buffer.from('/k/35'), range_end: Buffer.of(0) };
  }

  #txn(depth: number): object {
    return {
      compare: this.#list(3, () => this.#compare()),
      success: this.#list(4, () => this.#operation(depth)),
      failure: this.#list(3, () => this.#operation(depth)),
    };
  }

  #operation(depth: number): object {
    const kind = this.#below(10);
    if (kind < 5) return { request_put: this.#put(false) };
    if (kind < 7 || this.#only === 'writes') return { request_delete_range: this.#delete() };
    if (kind < 8 || depth > 2) return { request_range: { key: this.#key() } };
    return { request_txn: this.#txn(depth + 1) };
  }

  #compare(): object {
    const result = ['Equal', 'Greater', 'Less', 'NotEqual'][this.#below(4)];
    const ranges = [{}, {}, {}, {}, { range_end: Buffer.from('/k/4') }, { range_end: Buffer.of(0) }];
    const base = { result, key: this.#key(), ...ranges[this.#below(ranges.length)] };
    const operands = [
      { target: 'Version', version: this.#below(3) },
      { target: 'Create', create_revision: this.#below(60) },
      { target: 'Mod', mod_revision: this.#below(100) },
      { target: 'Value', value: this.#value() },
      { target: 'Lease', lease: this.#below(2) === 0 ? 0 : this.#lease() },
      // No operand: it then counts as 0, or as empty.
      { target: 'Mod' },
      { target: 'Value' },
    ];
    return { ...base, ...operands[this.#below(operands.length)] };
  }
}

/** Refused requests are part of the game; what counts is what etcd makes of them in the end. */
export async function send(client: Etcd3, requests: RandomRequests, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { call, body } = requests.next();
    const service = call === 'leaseGrant' || call === 'leaseRevoke' ? client.leaseClient : client.kv;
    const method = (service as unknown as Record<string, (body: object) => Promise<unknown>>)[call]!;
    await method.call(service, body).catch((error: unknown) => {
      if (!/etcdserver: |mvcc: /.test(String(error))) throw error;
    });
  }
}
