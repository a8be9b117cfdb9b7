import { setTimeout as sleep } from 'node:timers/promises';
import { openBackendCalls, type BackendCalls } from '../../etcd/transport/backend-calls.js';
import type { Leases } from '../../etcd/facets/leases.js';
import type { Kv } from '../../etcd/facets/kv.js';
import type { EtcdClient } from '../../etcd/client.js';
import type { ConnectOptions } from '../../etcd/connect-options.js';
import { connect } from '../../etcd/connect.js';
import { prefixRange, sensuRoot, singleKey } from '../../store/sensu-root.js';
import type { LeaseId } from '../../store/view.js';

/** How long the real one dials before it gives up. */
const dialTimeoutMs = 5000;

/** Ends the start, in the real one's words where it has any. */
class RefusedToStart extends Error {
  override readonly name = 'RefusedToStart';
}

/** Throws as a real one's dialling does when no member can be reached. */
export async function hasAuth(options: ConnectOptions): Promise<boolean> {
  const client = await connect({ ...options, deadlineMs: dialTimeoutMs });
  try {
    return await client.auth.enabled();
  } finally {
    await client.close();
  }
}

/**
 * Does each access that a real backend does at its start and while it runs, and gives up when one fails: a role
 * that lacks a grant, or a store that has lost its leases, must not pass for a migrated one.
 */
export async function enterExternalStore(options: ConnectOptions): Promise<EtcdClient> {
  const client = await connect({ ...options, deadlineMs: dialTimeoutMs });
  const calls = openBackendCalls(options);
  try {
    // The key without a slash, which the guide's grant does not cover.
    await client.range(singleKey(Buffer.from('/sensu.io')));
    await readAndWrite(client);
    const watched = ['checks', 'entity_configs', 'silenced', 'namespaces', 'rings', 'switchsets'];
    await Promise.all(watched.map((part) => calls.watch(prefixRange(Buffer.from(`/sensu.io/${part}/`)))));
    await client.members();
    await client.alarms();
    await leases(client, calls);
    await reviveSwitches(client, calls, revivedAtStart);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  } finally {
    calls.close();
  }
}

async function readAndWrite(client: Kv): Promise<void> {
  await client.range({ ...sensuRoot, limit: 1 });
  const key = Buffer.from('/sensu.io/queue/double-probe');
  await client.txn({ writes: [{ type: 'put', key, value: Buffer.alloc(0) }] });
  await client.txn({ writes: [{ type: 'delete', key }] });
}

async function leases(client: Kv & Leases, calls: BackendCalls): Promise<void> {
  const id = BigInt(Date.now()) as LeaseId;
  await client.grantLease({ id, ttl: 60n });
  const key = Buffer.from('/sensu.io/queue/double-lease');
  await client.txn({ writes: [{ type: 'put', key, value: Buffer.alloc(0), lease: id }] });
  if (!(await calls.keepAlive(id))) throw new RefusedToStart('etcdserver: requested lease not found');
  await client.revokeLease(id);
}

const keepalives = prefixRange(Buffer.from('/sensu.io/switchsets/keepalived/'));

/**
 * A real backend does so, one after the other, for agents that were failing; the others' switches are revived by
 * their own keepalives, once it serves. A stand-in that revived all of them would make its start, and with it
 * what is measured of a migration, a matter of how many agents a store has.
 */
const revivedAtStart = 10;

/**
 * 6.7.5 writes a keepalive switch again under the lease it has, and renews that lease once. On a copy without
 * leases the renewal fails and the backend ends, again and again.
 */
async function reviveSwitches(client: Kv, calls: BackendCalls, limit?: number): Promise<void> {
  const { entries } = await client.range({ ...keepalives, ...(limit !== undefined && { limit }) });
  for (const { key, value, lease } of entries) {
    await client.txn({ writes: [{ type: 'put', key, value, lease }] });
    if (lease === undefined || !(await calls.keepAlive(lease))) {
      throw new RefusedToStart('etcdserver: requested lease not found');
    }
  }
}

const backendTtl = 60n;

/** Registers under `/sensu.io/backends/` with a lease of its own, as every backend does, until the signal. */
export async function keepRegistered(client: Kv & Leases, signal: AbortSignal): Promise<void> {
  const id = (BigInt(Date.now()) * 1000n + BigInt(process.pid % 1000)) as LeaseId;
  const name = id.toString(16);
  await client.grantLease({ id, ttl: backendTtl });
  const key = Buffer.from(`/sensu.io/backends/${name}`);
  await client.txn({ writes: [{ type: 'put', key, value: Buffer.from(name), lease: id }] });
  const keeper = client.keepLeases();
  keeper.hold({ id, ttl: backendTtl });
  signal.addEventListener('abort', () => void keeper.close(), { once: true });
}

/** Renews the switches of the recorded agents, which are not here to do it. */
export async function standInForAgents(client: Kv, calls: BackendCalls, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await reviveSwitches(client, calls).catch(() => undefined);
    await sleep(2000, undefined, { signal }).catch(() => undefined);
  }
}
