import type { ClientReadableStream } from '@grpc/grpc-js';
import { FerryError } from '../core/errors.js';
import type { Lease, LeaseId } from '../store/view.js';
import { createAuth } from './auth.js';
import type {
  Alarm,
  ConnectOptions,
  EtcdAuth,
  EtcdClient,
  LeaseKeeper,
  LeaseState,
  Member,
  MemberStatus,
  RangeRequest,
  RangeResult,
  TxnRequest,
  TxnResult,
  WriteOperation,
} from './client.js';
import { diagnose } from './diagnose.js';
import { normalizeEndpoints } from './endpoints.js';
import { StreamLeaseKeeper } from './lease-keeper.js';
import { Transport } from './transport.js';
import {
  entryOf,
  leaseIdOf,
  revisionOf,
  statusOf,
  type WireHeader,
  type WireKeyValue,
  type WireStatus,
} from './wire.js';

/**
 * Connects to a cluster and, with credentials, logs in. Each endpoint is tried first below gRPC, so that a
 * closed port, a wrong CA and a wrong scheme are told apart; one that is reachable is enough.
 * @throws FerryError `usage`, `unreachable` or `denied`, naming the endpoint
 */
export async function connect(options: ConnectOptions): Promise<EtcdClient> {
  const endpoints = normalizeEndpoints(options.endpoints);
  const faults = await Promise.all(endpoints.map((endpoint) => diagnose(endpoint, options.tls ?? {})));
  options.signal?.throwIfAborted();
  const [reachable, away] = [
    endpoints.filter((_endpoint, index) => faults[index] === undefined),
    endpoints.filter((_endpoint, index) => faults[index] !== undefined),
  ];
  if (reachable.length === 0) throw faults[0]!;
  const transport = new Transport([...reachable, ...away], options);
  try {
    if (options.credentials !== undefined) await logIn(transport, options.credentials);
    return new GrpcEtcdClient(transport);
  } catch (error) {
    transport.close();
    throw error;
  }
}

async function logIn(
  transport: Transport,
  { username, password }: { readonly username: string; readonly password: string },
): Promise<void> {
  const payload = { name: username, password };
  await transport.request({ service: 'Auth', method: 'authenticate', payload, repeatable: 'read' });
}

const nothing = Buffer.alloc(0);
/** etcd's way to say: to the end of the key space. */
const endOfKeys = Buffer.from([0]);

class GrpcEtcdClient implements EtcdClient {
  readonly endpoints: readonly string[];
  readonly auth: EtcdAuth;
  readonly #transport: Transport;
  readonly #keepers = new Set<LeaseKeeper>();

  constructor(transport: Transport) {
    this.#transport = transport;
    this.endpoints = transport.endpoints;
    this.auth = createAuth(transport);
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    const serializable = request.serializable ?? false;
    const payload = {
      key: request.start,
      range_end: rangeEnd(request),
      limit: request.limit ?? 0,
      revision: String(request.revision ?? 0n),
      keys_only: request.keysOnly ?? false,
      count_only: request.countOnly ?? false,
      min_mod_revision: String(request.minModRevision ?? 0n),
      serializable,
    };
    const answer = await this.#transport.request<WireRange>({
      ...{ service: 'KV', method: 'range', payload, repeatable: 'read' },
      needsLeader: !serializable,
    });
    return {
      revision: revisionOf(answer.header.revision),
      entries: answer.kvs.map(entryOf),
      count: BigInt(answer.count),
      more: answer.more,
    };
  }

  async txn({ guards = [], writes }: TxnRequest): Promise<TxnResult> {
    const answer = await this.#write<{ header: WireHeader; succeeded: boolean }>('KV', 'txn', {
      compare: guards.map(({ key, end, modRevision }) => ({
        result: 'Equal',
        target: 'Mod',
        key,
        ...(end && { range_end: end }),
        mod_revision: String(modRevision),
      })),
      success: writes.map(wireOperation),
      failure: [],
    });
    return { revision: revisionOf(answer.header.revision), succeeded: answer.succeeded };
  }

  async grantLease({ id, ttl }: Lease): Promise<'granted' | 'exists'> {
    try {
      await this.#write('Lease', 'leaseGrant', { ID: String(id), TTL: String(ttl) });
      return 'granted';
    } catch (error) {
      if (hasCode(error, 'LEASE_EXISTS')) return 'exists';
      throw error;
    }
  }

  async revokeLease(id: LeaseId): Promise<boolean> {
    try {
      await this.#write('Lease', 'leaseRevoke', { ID: String(id) });
      return true;
    } catch (error) {
      if (hasCode(error, 'LEASE_NOT_FOUND')) return false;
      throw error;
    }
  }

  async leaseIds(): Promise<readonly LeaseId[]> {
    const answer = await this.#read<{ leases: readonly { ID: string }[] }>('Lease', 'leaseLeases', {});
    return answer.leases.map(({ ID }) => leaseIdOf(ID));
  }

  async leaseState(id: LeaseId, { keys } = { keys: true }): Promise<LeaseState | undefined> {
    const payload = { ID: String(id), keys };
    const answer = await this.#read<WireLeaseState>('Lease', 'leaseTimeToLive', payload);
    const remaining = BigInt(answer.TTL);
    if (remaining < 0n && answer.grantedTTL === '0') return undefined;
    return { id, ttl: BigInt(answer.grantedTTL), remaining, keys: answer.keys };
  }

  keepLeases(): LeaseKeeper {
    const keeper = new StreamLeaseKeeper(this.#transport);
    this.#keepers.add(keeper);
    return keeper;
  }

  async members(): Promise<readonly Member[]> {
    const answer = await this.#read<{ members: readonly WireMember[] }>('Cluster', 'memberList', {});
    return answer.members.map(({ ID, name, peerURLs, clientURLs, isLearner }) => ({
      id: BigInt(ID),
      name,
      peerUrls: peerURLs,
      clientUrls: clientURLs,
      isLearner,
    }));
  }

  async status(endpoint: string): Promise<MemberStatus> {
    const [url] = normalizeEndpoints([endpoint]);
    const call = { service: 'Maintenance', method: 'status', payload: {}, repeatable: 'read' } as const;
    return statusOf(await this.#transport.requestOf<WireStatus>(url!, { ...call, needsLeader: false }));
  }

  async alarms(): Promise<readonly Alarm[]> {
    const payload = { action: 'Get', memberID: '0', alarm: 'None' };
    const answer = await this.#read<{ alarms: readonly WireAlarm[] }>('Maintenance', 'alarm', payload);
    return answer.alarms.map(({ memberID, alarm }) => ({
      memberId: BigInt(memberID),
      type: alarm === 'Nospace' ? 'NOSPACE' : 'CORRUPT',
    }));
  }

  async compact(revision: bigint): Promise<void> {
    await this.#write('KV', 'compact', { revision: String(revision), physical: true });
  }

  async *snapshot(endpoint: string): AsyncIterable<Buffer> {
    const [url] = normalizeEndpoints([endpoint]);
    const stream = await this.#transport.openServerStream(url!, 'Maintenance', 'snapshot', {});
    const idle = new IdleGuard(stream, this.#transport.deadlineMs);
    try {
      idle.waits();
      for await (const answer of stream) {
        idle.rests();
        yield (answer as { blob: Buffer }).blob;
        idle.waits();
      }
    } catch (error) {
      this.#transport.throwIfAborted();
      throw idle.expired ? stalled(url!, this.#transport.deadlineMs) : this.#transport.failureOf(error, url);
    } finally {
      idle.end();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#keepers].map((keeper) => keeper.close()));
    this.#transport.close();
  }

  #read<Answer>(
    service: 'KV' | 'Lease' | 'Cluster' | 'Maintenance',
    method: string,
    payload: object,
  ): Promise<Answer> {
    return this.#transport.request<Answer>({ service, method, payload, repeatable: 'read' });
  }

  #write<Answer>(service: 'KV' | 'Lease', method: string, payload: object): Promise<Answer> {
    return this.#transport.request<Answer>({ service, method, payload, repeatable: 'write' });
  }
}

interface WireRange {
  readonly header: WireHeader;
  readonly kvs: readonly WireKeyValue[];
  readonly count: string;
  readonly more: boolean;
}

interface WireLeaseState {
  readonly TTL: string;
  readonly grantedTTL: string;
  readonly keys: readonly Buffer[];
}

interface WireMember {
  readonly ID: string;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

interface WireAlarm {
  readonly memberID: string;
  readonly alarm: 'Nospace' | 'Corrupt';
}

/** No end means to the end of the key space, as a view has it; etcd then wants a zero byte. */
function rangeEnd(request: RangeRequest): Buffer {
  return request.end ?? endOfKeys;
}

function wireOperation(operation: WriteOperation): object {
  if (operation.type === 'delete')
    return { request_delete_range: { key: operation.key, range_end: nothing } };
  const { key, value, lease } = operation;
  return { request_put: { key, value, lease: lease === undefined ? '0' : String(lease) } };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof FerryError && error.code === code;
}

/**
 * Ends a stream on which nothing comes for a while: a deadline for the whole would cut a large store short. The
 * time that the reader takes for what has come does not count; its disk may be slow.
 */
class IdleGuard {
  expired = false;
  #waitingSince: number | undefined;
  readonly #watch: NodeJS.Timeout;

  constructor(stream: ClientReadableStream<unknown>, idleMs: number) {
    const look = (): void => {
      if (this.#waitingSince === undefined || performance.now() - this.#waitingSince < idleMs) return;
      this.expired = true;
      stream.cancel();
    };
    this.#watch = setInterval(look, idleMs / 8);
  }

  waits(): void {
    this.#waitingSince = performance.now();
  }

  rests(): void {
    this.#waitingSince = undefined;
  }

  end(): void {
    clearInterval(this.#watch);
  }
}

function stalled(endpoint: string, idleMs: number): FerryError {
  return new FerryError({
    kind: 'unreachable',
    code: 'SNAPSHOT_STALLED',
    message: `The snapshot of ${endpoint} stalled: nothing came for ${idleMs / 1000} s.`,
    hint: 'Look at the network and at the disk of that member, then try again.',
  });
}
