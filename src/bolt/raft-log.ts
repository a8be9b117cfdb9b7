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
  readonly memberId: bigint | undefined;
  readonly clusterId: bigint | undefined;
  readonly tornTail: TornTail | undefined;
}

/**
 * Reads WAL files that follow each other and keeps the entries after `index`. An entry with an index that the
 * log already has replaces that entry and all after it: the log of a former leader that was overruled.
 * @throws CorruptFileError WAL_CORRUPT, WAL_GAP
 */
export function readRaftTail(files: readonly FileWindow[], index: bigint): RaftTail {
  const reader = new WalReader();
  const log = new TailLog(files.at(-1)!.path, index);
  let commit = 0n;
  let term = 0n;
  let identity: { memberId: bigint; clusterId: bigint } | undefined;
  for (const { type, data, offset } of reader.records(files)) {
    const message = new ProtoReader((what) => log.corrupt(`the record at byte ${offset} ${what}`), data);
    if (type === walRecord.entry) log.add(decodeEntry(message));
    else if (type === walRecord.state) ({ commit, term } = decodeHardState(message));
    else if (type === walRecord.metadata) identity = decodeMetadata(message);
    else if (type !== walRecord.crc && type !== walRecord.snapshot) {
      throw log.corrupt(`the record at byte ${offset} is of the unknown type ${type}`);
    }
  }
  return {
    entries: log.entries,
    commit,
    term,
    memberId: identity?.memberId,
    clusterId: identity?.clusterId,
    tornTail: reader.tornTail,
  };
}

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
    else message.skip();
  }
  return { type, term, index, data };
}

function decodeHardState(message: ProtoReader): { commit: bigint; term: bigint } {
  let term = 0n;
  let commit = 0n;
  for (let field = message.field(); field !== 0; field = message.field()) {
    if (field === 1) term = message.uint64();
    else if (field === 3) commit = message.uint64();
    else message.skip();
  }
  return { term, commit };
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
