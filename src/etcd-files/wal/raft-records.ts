import type { ProtoReader } from '../../protobuf/proto-reader.js';

/** Types of `raftpb.Entry`. */
export const raftEntry = { normal: 0, confChange: 1, confChangeV2: 2 } as const;

export interface RaftEntry {
  readonly type: number;
  readonly term: bigint;
  readonly index: bigint;
  /** Empty for the entry with which a new leader begins its term. */
  readonly data: Buffer;
}

/** What a member has on record of its own standing. */
export interface HardState {
  readonly term: bigint;
  /** Index up to which this member knew its log to be agreed on; it lags behind what really was. */
  readonly commit: bigint;
}

/** Whose log it is. */
export interface Identity {
  readonly memberId: bigint;
  readonly clusterId: bigint;
}

/** Who votes, as of an entry of the log. */
export interface VotersAt {
  readonly index: bigint;
  readonly term: bigint;
  /** Undefined where the record does not tell: WAL files of 3.4. */
  readonly voters: readonly bigint[] | undefined;
}

/** A change of the configuration, in force once it is applied. */
export interface VoterChange {
  readonly index: bigint;
  readonly node: bigint;
  readonly votes: boolean;
}

export function decodeEntry(message: ProtoReader): RaftEntry {
  let type = 0;
  let term = 0n;
  let index = 0n;
  let data = Buffer.alloc(0) as Buffer;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) type = Number(message.uint64());
    else if (field === 2) term = message.uint64();
    else if (field === 3) index = message.uint64();
    else if (field === 4) data = message.view();
    else throw message.malformed('is not a raft entry');
  }
  // Only the entry of a new leader has no data. A change of the second kind, of several members at once, stops etcd.
  const known = type === raftEntry.normal || (type === raftEntry.confChange && data.length > 0);
  if (!known || term === 0n || index === 0n) throw message.malformed('is not a raft entry');
  return { type, term, index, data };
}

export function decodeHardState(message: ProtoReader): HardState {
  let term = 0n;
  let commit = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) term = message.uint64();
    else if (field === 2) message.uint64();
    else if (field === 3) commit = message.uint64();
    else throw message.malformed('is not a raft state');
  }
  if (term === 0n) throw message.malformed('is not a raft state');
  return { term, commit };
}

export function decodeIdentity(message: ProtoReader): Identity {
  let memberId = 0n;
  let clusterId = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) memberId = message.uint64();
    else if (field === 2) clusterId = message.uint64();
    else message.skip();
  }
  return { memberId, clusterId };
}

/** The log's mark of a snapshot. walpb.Snapshot: index = 1, term = 2, conf_state = 3 since 3.5. */
export function decodeSnapshotMark(message: ProtoReader): VotersAt {
  let index = 0n;
  let term = 0n;
  let voters: readonly bigint[] | undefined;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) index = message.uint64();
    else if (field === 2) term = message.uint64();
    else if (field === 3) voters = decodeVoters(message);
    else throw message.malformed('is not a snapshot mark');
  }
  return { index, term, voters };
}

/** raftpb.Snapshot: data = 1, metadata = 2, and in that conf_state = 1, index = 2, term = 3. */
export function decodeSnapshot(message: ProtoReader): VotersAt {
  let found: VotersAt = { index: 0n, term: 0n, voters: undefined };
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field !== 2) {
      message.skip();
      continue;
    }
    message.lengthDelimited();
    message.nested().fields({
      1: (metadata) => (found = { ...found, voters: decodeVoters(metadata) }),
      2: (metadata) => (found = { ...found, index: metadata.uint64() }),
      3: (metadata) => (found = { ...found, term: metadata.uint64() }),
    });
  }
  return found;
}

/** raftpb.ConfState: voters = 1. What joint changes need, voters_outgoing = 3 and so on, etcd never writes. */
function decodeVoters(parent: ProtoReader): readonly bigint[] {
  parent.lengthDelimited();
  const message = parent.nested();
  const voters: bigint[] = [];
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) voters.push(message.uint64());
    else if (field === 3) throw message.malformed('is of a change of several members at once');
    else message.skip();
  }
  return voters;
}

/**
 * raftpb.ConfChange: type = 2, node_id = 3. Type 0 adds a voter or makes one of a learner, 1 removes a member, 2 gives it
 * other addresses, 3 adds a learner.
 */
export function decodeVoterChange(index: bigint, message: ProtoReader): VoterChange | undefined {
  let type = 0n;
  let node = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 2) type = message.uint64();
    else if (field === 3) node = message.uint64();
    else message.skip();
  }
  if (type > 3n) throw message.malformed('changes the members in a way that no etcd knows');
  return type === 2n ? undefined : { index, node, votes: type === 0n };
}
