import type { StoreWrite } from './changed-store.js';
import { ProtoWriter } from '../../protobuf/proto-writer.js';
import type { BucketChanges, PairChange } from '../mvcc/store-image.js';
import type { DbStore } from '../mvcc/store-file.js';
import type { StoredAlarm } from '../mvcc/store-metadata.js';
import type { Lease } from '../../store/types.js';
import type { ReplayedStore } from '../wal/wal-replay.js';

/**
 * What etcd, having applied the replayed entries, would have changed in its buckets. Members and the raft
 * configuration stay as of the db file: restoring a snapshot replaces both.
 */
export function replayedBuckets(base: DbStore, { store, applier, replay }: ReplayedStore): BucketChanges {
  if (replay.entries === 0) return new Map();
  return new Map([
    ['alarm', alarmChanges(base.alarms, applier.alarms)],
    ...applier.auth.changes(),
    ['cluster', clusterChanges(base.clusterVersion, applier.clusterVersion)],
    ['key', store.writes.map(keyChange)],
    ['lease', leaseChanges(base.leases, applier.leases)],
    ['meta', metaChanges(base, applier.compacted, replay)],
  ]);
}

/** mvccpb.KeyValue, of which a deletion has the key alone. */
function keyChange({ main, sub, key, entry }: StoreWrite): PairChange {
  const record = new ProtoWriter().bytes(1, key);
  if (!entry)
    return { key: Buffer.concat([revisionBytes(main, sub), Buffer.from('t')]), value: record.finish() };
  record.number(2, entry.createRevision).number(3, entry.modRevision).number(4, entry.version);
  record.bytes(5, entry.value).number(6, entry.lease ?? 0n);
  return { key: revisionBytes(main, sub), value: record.finish() };
}

/** A lease that was there before stays as it is written, with what is left of its time if etcd has noted that. */
function leaseChanges(before: readonly Lease[], after: ReadonlyMap<bigint, Lease>): PairChange[] {
  const kept = new Set(before.filter((lease) => after.get(lease.id) === lease));
  const gone = before
    .filter(({ id }) => !after.has(id))
    .map(({ id }) => ({ key: uint64Bytes(id), value: undefined }));
  const granted = [...after.values()]
    .filter((lease) => !kept.has(lease))
    .map(({ id, ttl }) => ({
      key: uint64Bytes(id),
      value: new ProtoWriter().number(1, id).number(2, ttl).finish(),
    }));
  return inOrder([...gone, ...granted]);
}

function alarmChanges(before: readonly StoredAlarm[], after: readonly StoredAlarm[]): PairChange[] {
  const gone = before.filter((alarm) => !after.includes(alarm));
  const raised = after.filter((alarm) => !before.includes(alarm));
  return inOrder([
    ...gone.map((alarm) => ({ key: alarmKey(alarm), value: undefined })),
    ...raised.map((alarm) => ({ key: alarmKey(alarm), value: Buffer.alloc(0) })),
  ]);
}

/** etcdserverpb.AlarmMember. */
function alarmKey({ memberId, type }: StoredAlarm): Buffer {
  return new ProtoWriter()
    .number(1, memberId)
    .number(2, type === 'NOSPACE' ? 1 : 2)
    .finish();
}

function clusterChanges(before: string | undefined, after: string | undefined): PairChange[] {
  if (after === undefined || after === before) return [];
  return [{ key: Buffer.from('clusterVersion'), value: Buffer.from(after) }];
}

/** etcd finishes a compaction that is scheduled, but not finished, when it starts. */
function metaChanges(
  base: DbStore,
  compacted: bigint,
  { toIndex, toTerm }: ReplayedStore['replay'],
): PairChange[] {
  const changes = [{ key: Buffer.from('consistent_index'), value: uint64Bytes(toIndex) }];
  if (compacted > base.compactedRevision) {
    changes.push({ key: Buffer.from('scheduledCompactRev'), value: revisionBytes(compacted, 0n) });
  }
  // 3.4 and older know no term here, and take a file that has one for that of a newer etcd.
  if (base.term !== undefined && toTerm !== undefined) {
    changes.push({ key: Buffer.from('term'), value: uint64Bytes(toTerm) });
  }
  return inOrder(changes);
}

/** A change of a key that comes later replaces one that came before. */
function inOrder(changes: readonly PairChange[]): PairChange[] {
  const byKey = new Map(changes.map((change) => [change.key.toString('latin1'), change]));
  return [...byKey.values()].sort((a, b) => Buffer.compare(a.key, b.key));
}

function uint64Bytes(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value));
  return bytes;
}

/** As the bucket `key` has it in its keys. */
function revisionBytes(main: bigint, sub: bigint): Buffer {
  return Buffer.concat([uint64Bytes(main), Buffer.from('_'), uint64Bytes(sub)]);
}
