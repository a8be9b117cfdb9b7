import { FerryError } from '../core/errors.js';
import type { Lease, LeaseId, Revision } from '../store/view.js';
import { createAuth } from './auth.js';
import type { EtcdClient } from './client.js';
import type { ConnectOptions } from './connect-options.js';
import type { EtcdAuth } from './facets/auth.js';
import type { Cluster, Member, MemberStatus } from './facets/cluster.js';
import type { RangeRequest, RangeResult, TxnRequest, TxnResult, WriteOperation } from './facets/kv.js';
import type { LeaseKeeper, LeaseState } from './facets/leases.js';
import type { Alarm } from './facets/maintenance.js';
import { reportCluster } from './cluster.js';
import { diagnose } from './diagnose.js';
import { normalizeEndpoints } from './transport/endpoints.js';
import { StreamLeaseKeeper } from './lease-keeper.js';
import {
  alarmsCall,
  membersCall,
  rangeCall,
  readAlarms,
  readMembers,
  readRange,
  readStatus,
  statusCall,
} from './transport/messages.js';
import { readSnapshot } from './snapshot-stream.js';
import { surveyCluster } from './survey.js';
import { Transport } from './transport/transport.js';
import { leaseIdOf, revisionOf } from './transport/wire.js';

/**
 * Connects to a cluster and, with credentials, logs in. Each endpoint is tried first below gRPC, so that a
 * closed port, a wrong CA and a wrong scheme are told apart; one that is reachable is enough. Then each is asked which
 * cluster it belongs to: see `surveyCluster`.
 * @throws FerryError `usage`, `unreachable` or `denied`, naming the endpoint; as `surveyCluster`
 */
export async function connect(options: ConnectOptions): Promise<EtcdClient> {
  const endpoints = normalizeEndpoints(options.endpoints);
  const diagnoses = await Promise.all(
    endpoints.map(async (endpoint) => [endpoint, await diagnose(endpoint, options.tls ?? {})] as const),
  );
  options.signal?.throwIfAborted();
  const faults = new Map<string, FerryError>();
  for (const [endpoint, fault] of diagnoses) if (fault !== undefined) faults.set(endpoint, fault);
  const reachable = endpoints.filter((endpoint) => !faults.has(endpoint));
  if (reachable.length === 0) throw noneReachable([...faults.values()]);
  const transport = new Transport([...reachable, ...faults.keys()], options);
  try {
    const cluster = await surveyCluster(transport, reachable, faults);
    transport.useCluster(cluster);
    if (options.report) reportCluster(cluster, options.report);
    await transport.tokenIfAny();
    return new GrpcEtcdClient(transport, cluster);
  } catch (error) {
    transport.close();
    throw error;
  }
}

/** Each with its own cause: which of them is worth mending, only the operator knows. */
function noneReachable(faults: readonly FerryError[]): FerryError {
  const [first] = faults;
  if (faults.length === 1) return first!;
  const { kind, code } = first!;
  const causes = faults.map(({ message }) => message.replace(/\.$/, ''));
  return new FerryError({
    kind,
    code,
    message: `None of the ${faults.length} endpoints can be used: ${causes.join('; ')}.`,
    hint: [...new Set(faults.map(({ hint }) => hint))].join(' '),
    cause: first,
  });
}

const nothing = Buffer.alloc(0);

const neverReached = (2n ** 63n - 1n) as Revision;
/** What protobuf adds to the key of a guard. */
const guardFraming = 24;

class GrpcEtcdClient implements EtcdClient {
  readonly endpoints: readonly string[];
  readonly cluster: Cluster;
  readonly auth: EtcdAuth;
  readonly #transport: Transport;
  readonly #keepers = new Set<LeaseKeeper>();

  constructor(transport: Transport, cluster: Cluster) {
    this.#transport = transport;
    this.cluster = cluster;
    this.endpoints = transport.endpoints;
    this.auth = createAuth(transport);
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    const result = readRange(await this.#transport.request(rangeCall(request)));
    if (request.keysOnly !== true) return result;
    return { ...result, entries: result.entries.map((entry) => ({ ...entry, lease: undefined })) };
  }

  async txn({ guards = [], writes }: TxnRequest): Promise<TxnResult> {
    const answer = await this.#write<WireTxn>('KV', 'txn', {
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

  async takes(put: WriteOperation & { readonly type: 'put' }): Promise<boolean> {
    // The guard, which never holds, takes a part of the request too: of the value so much is left out.
    const value = put.value.subarray(Math.min(put.value.length, put.key.length + guardFraming));
    try {
      await this.txn({ guards: [{ key: put.key, modRevision: neverReached }], writes: [{ ...put, value }] });
    } catch (error) {
      if (hasCode(error, 'REQUEST_TOO_LARGE')) return false;
      if (!hasCode(error, 'ETCD_PERMISSION_DENIED')) throw error;
    }
    return true;
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
    return readMembers(await this.#transport.request(membersCall));
  }

  async status(endpoint: string): Promise<MemberStatus> {
    const [url] = normalizeEndpoints([endpoint]);
    return readStatus(await this.#transport.requestOf(url!, statusCall));
  }

  async alarms(): Promise<readonly Alarm[]> {
    return readAlarms(await this.#transport.request(alarmsCall));
  }

  async compact(revision: bigint): Promise<void> {
    await this.#write('KV', 'compact', { revision: String(revision), physical: true });
  }

  snapshot(endpoint: string): AsyncIterable<Buffer> {
    const [url] = normalizeEndpoints([endpoint]);
    return readSnapshot(this.#transport, url!);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#keepers].map((keeper) => keeper.close()));
    this.#transport.close();
  }

  #read<Answer>(service: 'Lease', method: string, payload: object): Promise<Answer> {
    return this.#transport.request<Answer>({ service, method, payload, repeatable: 'read' });
  }

  #write<Answer>(service: 'KV' | 'Lease', method: string, payload: object): Promise<Answer> {
    return this.#transport.request<Answer>({ service, method, payload, repeatable: 'write' });
  }
}

interface WireTxn {
  readonly header: { readonly revision: string };
  readonly succeeded: boolean;
}

interface WireLeaseState {
  readonly TTL: string;
  readonly grantedTTL: string;
  readonly keys: readonly Buffer[];
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
