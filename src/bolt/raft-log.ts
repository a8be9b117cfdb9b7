import { CorruptFileError } from './corrupt.js';
import type { FileWindow } from './file-window.js';
import { ProtoReader } from './proto-reader.js';
import { walRecord, WalReader } from './wal-records.js';
import type { TornTail } from './wal-records.js';

/** Types of `raftpb.Entry`. */
export const raftEntry = { normal: 0, confChange: 1, confChangeV2: 2 } as const;

export interface RaftEntry {
  readonly type: number;
  readonly term: bigint;
  readonly index: bigint;
  /** Empty for the entry with which a new leader begins its term. */
  readonly data: Buffer;
}

/** The part of a raft log that follows an index, as the WAL has it. */
export interface RaftTail {
  /** Without gaps, from the index asked for plus one. */
  readonly entries: readonly RaftEntry[];
  /** Index up to which this member knew its log to be agreed on; it lags behind what really was. */
  readonly commit: bigint;
  readonly term: bigint;
  /** The newest entry that the log, all of it, is known to have had. */
  readonly lastIndex: bigint;
  readonly memberId?: bigint;
  readonly clusterId?: bigint;
  readonly tornTail: TornTail | undefined;
}

/**
 * Reads WAL files that follow each other and keeps the entries after `index`. An entry with an index that the
 * log already has replaces that entry and all after it: the log of a former leader that was overruled.
 *
 * No checksum covers the type of a record. So each is decoded as etcd writes it and no other way: a record of one
 * type that a flipped bit has made another is found.
 * @param begins Index of the first entry of the first file, as its name has it.
 * @throws CorruptFileError WAL_CORRUPT, WAL_GAP
 */
export function readRaftTail(files: readonly FileWindow[], index: bigint, begins: bigint): RaftTail {
  const reader = new WalReader();
  const log = new TailLog(files.at(-1)!.path, index);
  let commit = 0n;
  let term = 0n;
  let lastIndex = larger(0n, begins - 1n);
  let identity: Identity | undefined;
  for (const { type, data, offset } of reader.records(files)) {
    const message = new ProtoReader((what) => log.corrupt(`the record at byte ${offset} ${what}`), data);
    if (type === walRecord.entry) {
      const entry = decodeEntry(message);
      log.add(entry);
      lastIndex = entry.index;
    } else if (type === walRecord.state) ({ commit, term } = decodeHardState(message));
    else if (type === walRecord.metadata) identity = sameIdentity(identity, message);
    else if (type === walRecord.snapshot) lastIndex = larger(lastIndex, decodeSnapshot(message));
    else if (type !== walRecord.crc) {
      throw log.corrupt(`the record at byte ${offset} is of the unknown type ${type}`);
    }
  }
  const { tornTail } = reader;
  if (identity === undefined && tornTail === undefined) throw log.corrupt('the log does not say whose it is');
  return { entries: log.entries, commit, term, lastIndex, ...identity, tornTail };
}

/** Whose log it is. */
export interface Identity {
  readonly memberId: bigint;
  readonly clusterId: bigint;
}

/** Told by the head of each file of a log, also while etcd writes to its end. Undefined where it does not say. */
export function readIdentity(file: FileWindow): Identity | undefined {
  for (const { type, data } of new WalReader().records([file])) {
    if (type === walRecord.metadata) {
      return decodeMetadata(
        new ProtoReader((what) => new CorruptFileError('WAL_CORRUPT', file.path, what), data),
      );
    }
    if (type !== walRecord.crc) return undefined;
  }
  return undefined;
}

function sameIdentity(before: Identity | undefined, message: ProtoReader): Identity {
  const identity = decodeMetadata(message);
  const { memberId, clusterId } = before ?? identity;
  if (identity.memberId === memberId && identity.clusterId === clusterId) return identity;
  throw message.malformed('is of another member or cluster than those before it');
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);

class TailLog {
  readonly entries: RaftEntry[] = [];
  readonly #path: string;
  readonly #after: bigint;

  constructor(path: string, after: bigint) {
    this.#path = path;
    this.#after = after;
  }

  add(entry: RaftEntry): void {
    const place = entry.index - this.#after - 1n;
    if (place < 0n) {
      this.entries.length = 0;
      return;
    }
    if (place > BigInt(this.entries.length)) {
      const wanted = this.#after + BigInt(this.entries.length) + 1n;
      const what = `raft entry ${wanted} is missing: the log goes on with ${entry.index}`;
      throw new CorruptFileError('WAL_GAP', this.#path, what);
    }
    this.entries.length = Number(place);
    this.entries.push({ ...entry, data: Buffer.from(entry.data) });
  }

  corrupt(what: string): CorruptFileError {
    return new CorruptFileError('WAL_CORRUPT', this.#path, what);
  }
}

function decodeEntry(message: ProtoReader): RaftEntry {
  let type = 0;
  let term = 0n;
  let index = 0n;
  let data = Buffer.alloc(0) as Buffer;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) type = Number(message.uint64());
    else if (field === 2) term = message.uint64();
    else if (field === 3) index = message.uint64();
    else if (field === 4) data = message.view();
    else throw message.malformed('is no raft entry');
  }
  // Only the entry of a new leader has no data.
  const known = type === raftEntry.normal || (type <= raftEntry.confChangeV2 && data.length > 0);
  if (!known || term === 0n || index === 0n) throw message.malformed('is no raft entry');
  return { type, term, index, data };
}

function decodeHardState(message: ProtoReader): { commit: bigint; term: bigint } {
  let term = 0n;
  let commit = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) term = message.uint64();
    else if (field === 2) message.uint64();
    else if (field === 3) commit = message.uint64();
    else throw message.malformed('is no state of raft');
  }
  if (term === 0n) throw message.malformed('is no state of raft');
  return { term, commit };
}

/** The index that a snapshot stands for: walpb.Snapshot, index = 1, term = 2, conf_state = 3. */
function decodeSnapshot(message: ProtoReader): bigint {
  let index = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) index = message.uint64();
    else if (field === 2) message.uint64();
    else if (field === 3) message.lengthDelimited();
    else throw message.malformed('is no mark of a snapshot');
  }
  return index;
}

function decodeMetadata(message: ProtoReader): { memberId: bigint; clusterId: bigint } {
  let memberId = 0n;
  let clusterId = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) memberId = message.uint64();
    else if (field === 2) clusterId = message.uint64();
    else message.skip();
  }
  return { memberId, clusterId };
}
