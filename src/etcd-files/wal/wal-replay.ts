import { ChangedStore } from '../replay/changed-store.js';
import { CorruptFileError } from '../corrupt.js';
import { ProtoReader } from '../../protobuf/proto-reader.js';
import type { RaftLog } from './raft-log.js';
import { raftEntry } from './raft-records.js';
import type { RaftEntry } from './raft-records.js';
import { nobody } from '../replay/auth-state.js';
import { decodeRaftRequest } from '../replay/raft-request.js';
import type { SentRequest } from '../replay/raft-request.js';
import { RequestApplier } from '../replay/request-applier.js';
import type { DbStore } from '../mvcc/store-file.js';
import type { TornTail } from './wal-records.js';

/** What a WAL has added to its `db` file. */
export interface Replay {
  /** Raft entries that were applied: those that the db file did not have yet. */
  readonly entries: number;
  /** Index of the first of them and the last; the last is the db's own when there are none. */
  readonly fromIndex: bigint;
  readonly toIndex: bigint;
  /** Raft term of the last entry; undefined where neither log nor db file tells. */
  readonly toTerm: bigint | undefined;
  /** The end of the log, beyond what this member had on record as agreed on when it stopped, and whether all of it counts. */
  readonly beyondCommit: { readonly entries: number; readonly applied: boolean };
  /** Entries at the end of the log that do not count. */
  readonly leftOut: number;
  /** Requests that were not carried out, by etcd's name for them, as they change neither keys nor leases. */
  readonly passedOver: ReadonlyMap<string, number>;
  /** The WAL's last write was cut short by a crash; it was never acknowledged, and etcd drops it too. */
  readonly tornTail: TornTail | undefined;
}

export interface ReplayedStore {
  readonly store: ChangedStore;
  readonly applier: RequestApplier;
  readonly replay: Replay;
}

/**
 * Applies to a store the raft entries that its db file lacks: those after the db's consistent index, up to `upTo`, of
 * which `agreementOf` says how far it goes. What the log has beyond that does not count.
 * @throws CorruptFileError WAL_CORRUPT for an entry that cannot be decoded; WAL_GAP when the log ends before the
 * commit index on record
 */
export function replayLog(base: DbStore, log: RaftLog, walPath: string, upTo: bigint): ReplayedStore {
  const { consistentIndex = 0n } = base;
  const last = consistentIndex + BigInt(log.entries.length);
  if (log.commit > last) {
    const what = `ends with raft entry ${last}, but ${log.commit} was agreed on`;
    throw new CorruptFileError('WAL_GAP', walPath, what);
  }
  const entries = log.entries.filter(({ index }) => index <= upTo);
  const requests = entries.map((entry) => requestOf(entry, walPath));
  const store = new ChangedStore(base);
  const applier = new RequestApplier(base, store, leasesNamedIn(requests));
  for (const request of requests) applier.apply(request);
  const leftOut = log.entries.length - entries.length;
  const replay = {
    entries: requests.length,
    fromIndex: consistentIndex + 1n,
    toIndex: consistentIndex + BigInt(requests.length),
    toTerm: entries.at(-1)?.term ?? base.term,
    beyondCommit: {
      entries: log.entries.filter(({ index }) => index > log.commit).length,
      applied: leftOut === 0,
    },
    leftOut,
    passedOver: applier.passedOver,
    tornTail: log.tornTail,
  };
  return { store, applier, replay };
}

function leasesNamedIn(requests: readonly SentRequest[]): ReadonlySet<bigint> {
  const named = new Set<bigint>();
  for (const { request } of requests) {
    if (request.type === 'lease-revoke') named.add(request.id);
    else if (request.type === 'put' && request.lease !== 0n) named.add(request.lease);
  }
  return named;
}

function requestOf(entry: RaftEntry, walPath: string): SentRequest {
  const passedOver = (name: string): SentRequest => ({ request: { type: 'other', name }, sender: nobody });
  if (entry.type !== raftEntry.normal) return passedOver('conf_change');
  if (entry.data.length === 0) return passedOver('empty');
  return decodeRaftRequest(dataOf(entry, walPath));
}

function dataOf(entry: RaftEntry, walPath: string): ProtoReader {
  const fail = (what: string): CorruptFileError =>
    new CorruptFileError('WAL_CORRUPT', walPath, `raft entry ${entry.index} ${what}`);
  return new ProtoReader(fail, entry.data);
}
