import { ChangedStore } from './changed-store.js';
import { CorruptFileError } from './corrupt.js';
import { ProtoReader } from './proto-reader.js';
import { raftEntry } from './raft-log.js';
import type { RaftEntry, RaftTail } from './raft-log.js';
import { nobody } from './auth-state.js';
import { decodeRaftRequest } from './raft-request.js';
import type { SentRequest } from './raft-request.js';
import { RequestApplier } from './request-applier.js';
import type { DbStore } from './store-file.js';
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
  /** The end of the log, beyond what this member knew to be agreed on when it stopped. */
  readonly beyondCommit: { readonly entries: number; readonly applied: boolean };
  /** Requests that were not carried out, by etcd's name for them, as they change neither keys nor leases. */
  readonly passedOver: ReadonlyMap<string, number>;
  /** The WAL's last write was cut short by a crash; it was never acknowledged, and etcd drops it too. */
  readonly tornTail: TornTail | undefined;
}

/**
 * Which entries beyond the hard state's commit index count. `alone`: those of a member that is its cluster's
 * only voter. `all`: of any member.
 */
export type BeyondCommit = 'alone' | 'all';

export interface ReplayedStore {
  readonly store: ChangedStore;
  readonly applier: RequestApplier;
  readonly replay: Replay;
}

/**
 * Applies to a store the raft entries that its db file lacks: those after the db's consistent index.
 *
 * Up to which one? etcd writes the commit index lazily, with the next entry, so the log regularly goes on beyond
 * it. A member that is the only voter commits all of its log when it starts, and the last write it acknowledged
 * is mostly beyond the index on record: there the whole log counts. One of several members knows no more
 * than its commit index: entries beyond it may or may not be held by a majority, so by default they do not
 * count (three members killed under load, each with 3182 on record and 3183 entries: the store is that of
 * 3182). Elected after a restart, the member would commit them too; `all` gives that store.
 *
 * @throws CorruptFileError WAL_CORRUPT for an entry that cannot be decoded; WAL_GAP when the log ends before the
 * commit index
 */
export function replayTail(
  base: DbStore,
  tail: RaftTail,
  walPath: string,
  beyondCommit: BeyondCommit = 'alone',
): ReplayedStore {
  const consistentIndex = base.consistentIndex ?? 0n;
  const committed = tail.entries.filter(({ index }) => index <= tail.commit);
  if (tail.commit > consistentIndex + BigInt(committed.length)) {
    const what = `ends with raft entry ${consistentIndex + BigInt(committed.length)}, but ${tail.commit} was agreed on`;
    throw new CorruptFileError('WAL_GAP', walPath, what);
  }
  const all = beyondCommit === 'all' || isAlone(base, committed, tail.memberId, walPath);
  const entries = all ? tail.entries : committed;
  const requests = entries.map((entry) => requestOf(entry, walPath));
  const store = new ChangedStore(base);
  const applier = new RequestApplier(base, store, leasesNamedIn(requests));
  for (const request of requests) applier.apply(request);
  const replay = {
    entries: requests.length,
    fromIndex: consistentIndex + 1n,
    toIndex: consistentIndex + BigInt(requests.length),
    toTerm: entries.at(-1)?.term ?? base.term,
    beyondCommit: { entries: tail.entries.length - committed.length, applied: all },
    passedOver: applier.passedOver,
    tornTail: tail.tornTail,
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

/** True when the member is the only one that votes, as far as the db file and the log's agreed part tell. */
function isAlone(
  base: DbStore,
  committed: readonly RaftEntry[],
  memberId: bigint | undefined,
  walPath: string,
): boolean {
  const stored =
    base.confState?.voters ?? base.members.filter((member) => !member.isLearner).map(({ id }) => id);
  const voters = new Set(stored);
  for (const entry of committed) {
    if (entry.type === raftEntry.confChange) applyConfChange(dataOf(entry, walPath), voters);
  }
  return voters.size === 1 && (memberId === undefined || voters.has(memberId));
}

/** raftpb.ConfChange: type = 2 (0 adds a voter, 1 removes, 3 adds a learner), node_id = 3. */
function applyConfChange(message: ProtoReader, voters: Set<bigint>): void {
  let type = 0n;
  let node = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 2) type = message.uint64();
    else if (field === 3) node = message.uint64();
    else message.skip();
  }
  if (type === 0n) voters.add(node);
  else if (type === 1n) voters.delete(node);
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
