import type { BboltFile } from '../bbolt/bbolt.js';
import { CorruptFileError } from '../corrupt.js';
import { elementFlags, keyEnd, keyStart, valueEnd } from '../bbolt/pages.js';
import { ProtoReader } from '../../protobuf/proto-reader.js';
import type { Lease, LeaseId, Revision } from '../../store/types.js';

/** A member of the cluster as the store has it; a snapshot has the members of the cluster it was taken from. */
interface StoredMember {
  readonly id: bigint;
  /** Empty until the member has started for the first time. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface StoredAlarm {
  readonly memberId: bigint;
  readonly type: 'NOSPACE' | 'CORRUPT';
}

/** Who votes, as 3.5 and newer keep it beside the data; undefined in 3.4's files. */
interface StoredConfState {
  readonly voters: readonly bigint[];
  readonly learners: readonly bigint[];
}

/** Everything in the store that is neither key nor value. All of it is small. */
export interface StoreMetadata {
  readonly leases: readonly Lease[];
  readonly authEnabled: boolean;
  readonly users: readonly string[];
  readonly roles: readonly string[];
  readonly alarms: readonly StoredAlarm[];
  readonly members: readonly StoredMember[];
  /** Such as `3.5.0`; undefined in a store that no cluster has agreed on a version for. */
  readonly clusterVersion: string | undefined;
  /** Written by 3.6 and newer, such as `3.6.0`. */
  readonly storageVersion: string | undefined;
  /** Raft index of the last entry that is applied in this file; undefined where etcd has not written it. */
  readonly consistentIndex: bigint | undefined;
  /** Raft term of that entry; written by 3.5 and newer. */
  readonly term: bigint | undefined;
  readonly confState: StoredConfState | undefined;
  /** Revision up to which compaction was asked for: what etcd finishes when it starts. */
  readonly compactedRevision: Revision;
}

/**
 * @throws CorruptFileError RECORD_CORRUPT, naming bucket and place; NOT_AN_ETCD_STORE for a bbolt file of
 * some other program.
 */
export function readStoreMetadata(db: BboltFile): StoreMetadata {
  if (!db.bucket('key') || !db.bucket('meta')) {
    const what = 'is a bbolt file, but not an etcd store: it has no buckets named key and meta';
    throw new CorruptFileError('NOT_AN_ETCD_STORE', db.path, what);
  }
  const meta = new Map(readBucket(db, 'meta').map((pair) => [pair.key.toString(), pair.value]));
  const auth = new Map(readBucket(db, 'auth').map((pair) => [pair.key.toString(), pair.value]));
  const cluster = new Map(readBucket(db, 'cluster').map((pair) => [pair.key.toString(), pair.value]));
  const finished = revisionValue(db, meta, 'finishedCompactRev');
  const scheduled = revisionValue(db, meta, 'scheduledCompactRev');
  return {
    leases: readBucket(db, 'lease').map((pair, i) => decodeLease(db, pair, i)),
    authEnabled: auth.get('authEnabled')?.equals(Buffer.of(1)) ?? false,
    users: readBucket(db, 'authUsers').map((pair) => pair.key.toString()),
    roles: readBucket(db, 'authRoles').map((pair) => pair.key.toString()),
    alarms: readBucket(db, 'alarm').map((pair, i) => decodeAlarm(db, pair.key, i)),
    members: readBucket(db, 'members').map((pair, i) => decodeMember(db, pair, i)),
    clusterVersion: cluster.get('clusterVersion')?.toString(),
    storageVersion: meta.get('storageVersion')?.toString(),
    consistentIndex: uint64Value(db, meta, 'consistent_index'),
    term: uint64Value(db, meta, 'term'),
    confState: decodeConfState(db, meta.get('confState')),
    compactedRevision: (finished > scheduled ? finished : scheduled) as Revision,
  };
}

export interface Pair {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** All of a small bucket. */
export function readBucket(db: BboltFile, name: string): Pair[] {
  const pairs: Pair[] = [];
  const bucket = db.bucket(name);
  if (!bucket) return pairs;
  for (const leaf of db.leaves(bucket.root)) {
    for (let i = 0; i < leaf.count; i++) {
      if (elementFlags(leaf, i) !== 0) throw corruptRecord(db, name, i, 'is a bucket inside a bucket');
      const start = keyEnd(leaf, i);
      const key = Buffer.from(leaf.bytes.subarray(keyStart(leaf, i), start));
      pairs.push({ key, value: Buffer.from(leaf.bytes.subarray(start, valueEnd(leaf, i))) });
    }
  }
  return pairs;
}

export function corruptRecord(db: BboltFile, bucket: string, i: number, what: string): CorruptFileError {
  return new CorruptFileError('RECORD_CORRUPT', db.path, `bucket ${bucket}, element ${i}: ${what}`);
}

function reader(db: BboltFile, bucket: string, i: number, bytes: Buffer): ProtoReader {
  return new ProtoReader((what) => corruptRecord(db, bucket, i, `the record ${what}`), bytes);
}

/** leasepb.Lease: ID = 1, TTL = 2, RemainingTTL = 3. */
function decodeLease(db: BboltFile, { key, value }: Pair, i: number): Lease {
  const message = reader(db, 'lease', i, value);
  let id = 0n;
  let ttl = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) id = message.int64();
    else if (field === 2) ttl = message.int64();
    else message.skip();
  }
  if (id === 0n) throw corruptRecord(db, 'lease', i, 'the record has no id');
  if (key.length !== 8 || key.readBigInt64BE() !== id)
    throw corruptRecord(db, 'lease', i, 'is not keyed by its id');
  return { id: id as LeaseId, ttl };
}

/** etcdserverpb.AlarmMember: memberID = 1, alarm = 2; it is the bucket's key, its value is empty. */
function decodeAlarm(db: BboltFile, key: Buffer, i: number): StoredAlarm {
  const message = reader(db, 'alarm', i, key);
  let memberId = 0n;
  let type = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) memberId = message.uint64();
    else if (field === 2) type = message.uint64();
    else message.skip();
  }
  if (type !== 1n && type !== 2n)
    throw corruptRecord(db, 'alarm', i, `has the unknown type ${type.toString()}`);
  return { memberId, type: type === 1n ? 'NOSPACE' : 'CORRUPT' };
}

/** JSON; its id exceeds what a JS number holds, so the id is taken from the key, which has it in hex. */
function decodeMember(db: BboltFile, pair: Pair, i: number): StoredMember {
  const key = pair.key.toString('latin1');
  if (!/^[0-9a-f]{1,16}$/.test(key)) throw corruptRecord(db, 'members', i, 'is not keyed by a member id');
  const parsed = parseJson(db, 'members', i, pair.value);
  return {
    id: BigInt(`0x${key}`),
    name: typeof parsed['name'] === 'string' ? parsed['name'] : '',
    peerUrls: strings(parsed['peerURLs']),
    clientUrls: strings(parsed['clientURLs']),
    isLearner: parsed['isLearner'] === true,
  };
}

function decodeConfState(db: BboltFile, value: Buffer | undefined): StoredConfState | undefined {
  if (!value) return undefined;
  // The ids are numbers of 64 bits in JSON: made strings before the parser can round them.
  const text = value.toString().replaceAll(/(?<=[[,:\s])\d+(?=[\],}\s])/g, '"$&"');
  const parsed = parseJson(db, 'meta', 0, Buffer.from(text));
  const ids = (list: unknown): bigint[] =>
    strings(list)
      .filter((id) => /^\d+$/.test(id))
      .map(BigInt);
  return { voters: ids(parsed['voters']), learners: ids(parsed['learners']) };
}

function parseJson(db: BboltFile, bucket: string, i: number, value: Buffer): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString());
  } catch {
    parsed = undefined;
  }
  if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  throw corruptRecord(db, bucket, i, 'is not the JSON that etcd writes');
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function uint64Value(db: BboltFile, meta: Map<string, Buffer>, name: string): bigint | undefined {
  const value = meta.get(name);
  if (!value) return undefined;
  if (value.length !== 8)
    throw corruptRecord(db, 'meta', 0, `${name} is ${value.length} bytes long instead of 8`);
  return value.readBigUInt64BE();
}

/** Revisions in the bucket meta have the form of the keys of the bucket key. */
function revisionValue(db: BboltFile, meta: Map<string, Buffer>, name: string): bigint {
  const value = meta.get(name);
  if (!value) return 0n;
  if (value.length < 17) throw corruptRecord(db, 'meta', 0, `${name} is not a revision`);
  return value.readBigInt64BE();
}
