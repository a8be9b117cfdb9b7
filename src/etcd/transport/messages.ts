import { ProtoReader, type FieldReaders } from '../../protobuf/proto-reader.js';
import { ProtoWriter } from '../../protobuf/proto-writer.js';
import { KeyValueView } from '../../etcd-files/mvcc/key-value.js';
import { FerryError } from '../../core/errors.js';
import type { LeaseId, Revision, StoreEntry } from '../../store/view.js';
import type { Credentials } from '../connect-options.js';
import type { Member, MemberStatus } from '../facets/cluster.js';
import type { RangeRequest, RangeResult } from '../facets/kv.js';
import type { Alarm } from '../facets/maintenance.js';
import type { DirectCall } from './call.js';

/**
 * The calls that a snapshot takes, which this program sends and reads itself: docs/decisions/0014-direct-calls.md.
 * Numbers of fields are those of etcd's rpc.proto.
 */
const nothing: Buffer = Buffer.alloc(0);
/** etcd's way to say: to the end of the key space. */
const endOfKeys = Buffer.from([0]);

export const statusCall: DirectCall = {
  path: '/etcdserverpb.Maintenance/Status',
  message: nothing,
  repeatable: 'read',
  needsLeader: false,
};

/** The request for all alarms is the empty one. */
export const alarmsCall: DirectCall = {
  path: '/etcdserverpb.Maintenance/Alarm',
  message: nothing,
  repeatable: 'read',
};

export const membersCall: DirectCall = {
  path: '/etcdserverpb.Cluster/MemberList',
  message: nothing,
  repeatable: 'read',
};

export const snapshotPath = '/etcdserverpb.Maintenance/Snapshot';

export function authenticateCall({ username, password }: Credentials): DirectCall {
  const message = new ProtoWriter().bytes(1, Buffer.from(username)).bytes(2, Buffer.from(password)).finish();
  return { path: '/etcdserverpb.Auth/Authenticate', message, repeatable: 'read', anonymous: true };
}

/** No end means to the end of the key space, as a view has it; etcd then wants a zero byte. */
export function rangeCall(request: RangeRequest): DirectCall {
  const message = new ProtoWriter()
    .bytes(1, request.start)
    .bytes(2, request.end ?? endOfKeys)
    .number(3, request.limit ?? 0)
    .number(4, request.revision ?? 0n)
    .number(7, Number(request.serializable ?? false))
    .number(8, Number(request.keysOnly ?? false))
    .number(9, Number(request.countOnly ?? false))
    .number(10, request.minModRevision ?? 0n)
    .finish();
  const needsLeader = request.serializable !== true;
  return { path: '/etcdserverpb.KV/Range', message, repeatable: 'read', needsLeader };
}

function readAnswer(bytes: Buffer, fields: FieldReaders): void {
  new ProtoReader(malformed, bytes).fields(fields);
}

function malformed(what: string): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'ETCD_ANSWER_MALFORMED',
    message: `An answer of etcd ${what}.`,
    hint: 'Make sure that the endpoints are those of etcd, and that no proxy changes what goes through it.',
  });
}

function nested(reader: ProtoReader, fields: FieldReaders): void {
  reader.lengthDelimited();
  reader.nested().fields(fields);
}

type Mutable<Facts> = { -readonly [Name in keyof Facts]: Facts[Name] };

export function readStatus(bytes: Buffer): MemberStatus {
  const status: Mutable<MemberStatus> = {
    ...{ clusterId: 0n, memberId: 0n, version: '', revision: 0n as Revision },
    ...{ raftTerm: 0n, raftIndex: 0n, raftAppliedIndex: 0n, leader: 0n, isLearner: false },
    ...{ dbSize: 0n, dbSizeInUse: 0n },
    errors: [],
  };
  const errors: string[] = [];
  readAnswer(bytes, {
    1: (reader) => {
      nested(reader, {
        1: (header) => (status.clusterId = header.uint64()),
        2: (header) => (status.memberId = header.uint64()),
        3: (header) => (status.revision = header.int64() as Revision),
      });
    },
    2: (reader) => (status.version = reader.string()),
    3: (reader) => (status.dbSize = reader.int64()),
    4: (reader) => (status.leader = reader.uint64()),
    5: (reader) => (status.raftIndex = reader.uint64()),
    6: (reader) => (status.raftTerm = reader.uint64()),
    7: (reader) => (status.raftAppliedIndex = reader.uint64()),
    8: (reader) => errors.push(reader.string()),
    9: (reader) => (status.dbSizeInUse = reader.int64()),
    10: (reader) => (status.isLearner = reader.bool()),
  });
  return { ...status, errors };
}

/** Who answered: every answer of etcd has it. */
export interface AnswerHeader {
  /** 0n where a proxy answers that does not say. */
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** 0n in the answers that are not about the store. */
  readonly revision: Revision;
}

export function readHeader(bytes: Buffer): AnswerHeader {
  const header: Mutable<AnswerHeader> = { clusterId: 0n, memberId: 0n, revision: 0n as Revision };
  readAnswer(bytes, {
    1: (reader) => {
      nested(reader, {
        1: (field) => (header.clusterId = field.uint64()),
        2: (field) => (header.memberId = field.uint64()),
        3: (field) => (header.revision = field.int64() as Revision),
      });
    },
  });
  return header;
}

export function readMembers(bytes: Buffer): Member[] {
  const members: Member[] = [];
  readAnswer(bytes, {
    2: (reader) => {
      const member = {
        id: 0n,
        name: '',
        peerUrls: [] as string[],
        clientUrls: [] as string[],
        isLearner: false,
      };
      nested(reader, {
        1: (field) => (member.id = field.uint64()),
        2: (field) => (member.name = field.string()),
        3: (field) => member.peerUrls.push(field.string()),
        4: (field) => member.clientUrls.push(field.string()),
        5: (field) => (member.isLearner = field.bool()),
      });
      members.push(member);
    },
  });
  return members;
}

const nospace = 1n;

export function readAlarms(bytes: Buffer): Alarm[] {
  const alarms: Alarm[] = [];
  readAnswer(bytes, {
    2: (reader) => {
      let memberId = 0n;
      let type = 0n;
      nested(reader, {
        1: (field) => (memberId = field.uint64()),
        2: (field) => (type = field.uint64()),
      });
      alarms.push({ memberId, type: type === nospace ? 'NOSPACE' : 'CORRUPT' });
    },
  });
  return alarms;
}

export function readToken(bytes: Buffer): string {
  let token = '';
  readAnswer(bytes, { 2: (reader) => (token = reader.string()) });
  return token;
}

/** Keys and values are parts of the answer's own bytes. */
export function readRange(bytes: Buffer): RangeResult {
  const entries: StoreEntry[] = [];
  const range = { revision: 0n as Revision, count: 0n, more: false };
  const kv = new KeyValueView(new ProtoReader(malformed));
  readAnswer(bytes, {
    1: (reader) => {
      nested(reader, { 3: (header) => (range.revision = header.int64() as Revision) });
    },
    2: (reader) => {
      reader.lengthDelimited();
      kv.decode(bytes, reader.start, reader.stop);
      entries.push({
        key: bytes.subarray(kv.keyStart, kv.keyEnd),
        value: bytes.subarray(kv.valueStart, kv.valueEnd),
        createRevision: kv.createRevision as Revision,
        modRevision: kv.modRevision as Revision,
        version: kv.version,
        lease: kv.lease === 0n ? undefined : (kv.lease as LeaseId),
      });
    },
    3: (reader) => (range.more = reader.bool()),
    4: (reader) => (range.count = reader.int64()),
  });
  return { ...range, entries };
}

/** The next bytes of the snapshot, a part of the answer's own, and how many of the database are left after them. */
export function readBlob(bytes: Buffer): { readonly blob: Buffer; readonly remaining: bigint } {
  const part = { blob: nothing, remaining: 0n };
  readAnswer(bytes, {
    2: (reader) => (part.remaining = reader.uint64()),
    3: (reader) => (part.blob = reader.view()),
  });
  return part;
}
