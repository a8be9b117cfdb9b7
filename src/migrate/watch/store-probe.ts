import { randomBytes } from 'node:crypto';
import { FerryError } from '../../core/errors.js';
import { openBackendCalls, type BackendCalls } from '../../etcd/transport/backend-calls.js';
import type { Kv, KvReader } from '../../etcd/facets/kv.js';
import type { Leases } from '../../etcd/facets/leases.js';
import type { Reached } from '../../etcd/facets/cluster.js';
import type { EtcdClient } from '../../etcd/client.js';
import type { ConnectOptions } from '../../etcd/connect-options.js';
import { connect } from '../../etcd/connect.js';
import { randomLeaseId, throwawayKey } from '../../rbac/backend-accesses.js';
import { sensuRoot, singleKey } from '../../store/sensu-root.js';
import type { Lease } from '../../store/view.js';
import type { Proof } from '../proof.js';
import type { Probe } from './probe.js';
import { Tally, type Weight } from './tally.js';

/** Of the throwaway key: what a killed watch leaves is gone after so many seconds. */
const leaseSeconds = 30n;

/**
 * Does with the store what a backend does all the time, with the backend's own login: a write through one member and
 * its read through another, turn by turn, and the renewal of a lease.
 */
export class StoreProbe implements Probe {
  readonly #options: ConnectOptions;
  readonly #clients = new Map<string, EtcdClient>();
  readonly #calls: BackendCalls;
  readonly #key = throwawayKey(sensuRoot.start);
  #lease: Lease | undefined;
  #round = 0;
  readonly #members = new Tally('members of the target answer', 'warning');
  readonly #writes: Tally;
  readonly #renewals = new Tally('lease renewed');

  /** @param options As the backend connects, without a name where etcd asks for none. */
  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#calls = openBackendCalls(options);
    this.#writes = new Tally(
      options.endpoints.length > 1 ? 'write read back through another member' : 'write read back',
    );
  }

  async look(): Promise<readonly string[]> {
    const { endpoints } = this.#options;
    const faults = await Promise.all(
      endpoints.map((endpoint) => this.#tryTo(this.#members, () => this.#open(endpoint))),
    );
    const answering = endpoints.flatMap((endpoint) => this.#clients.get(endpoint) ?? []);
    const writer = answering[this.#round % answering.length];
    const reader = answering[(this.#round + 1) % answering.length];
    this.#round += 1;
    if (writer === undefined || reader === undefined) {
      this.#writes.failed('no member of the target takes the login of the backend', 'passing');
      return faults.flat();
    }
    return [
      ...faults.flat(),
      ...(await this.#tryTo(this.#renewals, () => this.#renew(writer))),
      ...(await this.#tryTo(this.#writes, () => this.#writeAndRead(writer, reader))),
    ];
  }

  proofs(): readonly Proof[] {
    return [this.#members, this.#writes, this.#renewals].map((tally) => tally.proof());
  }

  async close(): Promise<void> {
    const clients = [...this.#clients.values()];
    const id = this.#lease?.id;
    // With the lease goes its key; when no member answers, both go by themselves.
    if (id !== undefined) await clients[0]?.revokeLease(id).catch(() => undefined);
    this.#calls.close();
    await Promise.all(clients.map((client) => client.close()));
  }

  async #tryTo(tally: Tally, work: () => Promise<void>): Promise<readonly string[]> {
    try {
      await work();
      tally.succeeded();
      return [];
    } catch (error) {
      if (!(error instanceof FerryError)) throw error;
      return tally.failed(error.message, weightOf(error)) ? [`${tally.what}: ${error.message}`] : [];
    }
  }

  /** Connects anew where a member was away, and asks it for something in any case. */
  async #open(endpoint: string): Promise<void> {
    const known = this.#clients.get(endpoint);
    try {
      const client = known ?? (await connect({ ...this.#options, endpoints: [endpoint] }));
      this.#clients.set(endpoint, client);
      await client.range({ ...singleKey(this.#key), serializable: true }).catch(unlessDenied);
    } catch (error) {
      this.#clients.delete(endpoint);
      await known?.close();
      throw error;
    }
  }

  async #writeAndRead(writer: Kv & Reached, reader: KvReader & Reached): Promise<void> {
    const value = randomBytes(16);
    const lease = this.#lease?.id;
    await writer.txn({ writes: [{ type: 'put', key: this.#key, value, lease }] });
    const { entries } = await reader.range(singleKey(this.#key));
    if (entries[0]?.value.equals(value) !== true) throw notReadBack(writer, reader);
  }

  async #renew(client: Leases): Promise<void> {
    if (this.#lease === undefined) {
      const lease = { id: randomLeaseId(), ttl: leaseSeconds };
      await client.grantLease(lease);
      this.#lease = lease;
      return;
    }
    const { id, ttl } = this.#lease;
    const before = await client.leaseState(id, { keys: false });
    const isThere = await this.#calls.keepAlive(id);
    const after = await client.leaseState(id, { keys: false });
    if (!isThere || before === undefined || after === undefined) {
      this.#lease = undefined;
      throw leaseLost();
    }
    // Whole seconds, rounded down.
    if (after.remaining < ttl - 2n && after.remaining <= before.remaining)
      throw notRenewed(before.remaining, after.remaining);
  }
}

/** A member that refuses something is there. */
function unlessDenied(error: unknown): void {
  if (!(error instanceof FerryError) || error.kind !== 'denied') throw error;
}

function weightOf({ kind }: FerryError): Weight {
  if (kind === 'unreachable') return 'passing';
  return kind === 'integrity' ? 'disproof' : 'failure';
}

function notReadBack(writer: Reached, reader: Reached): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'WRITE_NOT_READ_BACK',
    message: `what was written through ${writer.endpoints[0]!} is not what ${reader.endpoints[0]!} has`,
    hint: 'Look at the health of the target: etcdctl endpoint status --cluster.',
  });
}

function leaseLost(): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'LEASE_LOST',
    message: 'a lease ended although it was renewed in time',
    hint: 'Look at the health of the target: etcdctl endpoint status --cluster.',
  });
}

function notRenewed(before: bigint, after: bigint): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'LEASE_NOT_RENEWED',
    message: `a renewal left a lease with ${after} s, and it had ${before} s before`,
    hint: 'Look at the health of the target: etcdctl endpoint status --cluster.',
  });
}
