import type { LeaseId, Revision, StoreEntry } from '../store/view.js';
import type { MemberStatus } from './client.js';

/** Messages as etcd3's proto loader gives them: snake case, 64-bit numbers as decimal strings, bytes as Buffers. */
export interface WireHeader {
  readonly revision: string;
  readonly cluster_id: string;
  readonly member_id: string;
  readonly raft_term: string;
}

export interface WireKeyValue {
  readonly key: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly version: string;
  readonly value: Buffer;
  readonly lease: string;
}

export interface WireStatus {
  readonly header: WireHeader;
  readonly version: string;
  readonly dbSize: string;
  readonly dbSizeInUse: string;
  readonly leader: string;
  readonly raftIndex: string;
  readonly raftTerm: string;
  readonly raftAppliedIndex: string;
  readonly errors: readonly string[];
  readonly isLearner: boolean;
}

export const revisionOf = (text: string): Revision => BigInt(text) as Revision;
export const leaseIdOf = (text: string): LeaseId => BigInt(text) as LeaseId;

export function entryOf(wire: WireKeyValue): StoreEntry {
  return {
    key: wire.key,
    value: wire.value,
    createRevision: revisionOf(wire.create_revision),
    modRevision: revisionOf(wire.mod_revision),
    version: BigInt(wire.version),
    lease: wire.lease === '0' ? undefined : leaseIdOf(wire.lease),
  };
}

export function statusOf(wire: WireStatus): MemberStatus {
  return {
    clusterId: BigInt(wire.header.cluster_id),
    memberId: BigInt(wire.header.member_id),
    version: wire.version,
    revision: revisionOf(wire.header.revision),
    raftTerm: BigInt(wire.raftTerm),
    raftIndex: BigInt(wire.raftIndex),
    raftAppliedIndex: BigInt(wire.raftAppliedIndex),
    leader: BigInt(wire.leader),
    isLearner: wire.isLearner,
    dbSize: BigInt(wire.dbSize),
    dbSizeInUse: BigInt(wire.dbSizeInUse),
    errors: wire.errors,
  };
}
