import { CorruptFileError } from '../corrupt.js';
import { crc32c } from './crc32c.js';
import type { FileWindow } from '../bbolt/file-window.js';
import { LogOutline } from '../data-directory/log-outline.js';
import { ProtoReader } from '../../protobuf/proto-reader.js';
import {
  decodeEntry,
  decodeHardState,
  decodeIdentity,
  decodeSnapshotMark,
  decodeVoterChange,
  raftEntry,
} from './raft-records.js';
import type { HardState, Identity, RaftEntry, VoterChange, VotersAt } from './raft-records.js';
import { walRecord, WalReader } from './wal-records.js';
import type { TornTail } from './wal-records.js';

/** A raft log, as far as its WAL files that were read have it. */
export interface RaftLog extends HardState {
  /** Those after the index asked for, without gaps. */
  readonly entries: readonly RaftEntry[];
  /** Of every entry that was read. */
  readonly outline: LogOutline;
  readonly voterChanges: readonly VoterChange[];
  /** Marks of the snapshots that the log goes on from, oldest first. */
  readonly snapshots: readonly VotersAt[];
  /** The newest entry that the log, all of it, is known to have had. */
  readonly lastIndex: bigint;
  /** Undefined in a log that was torn before it says whose it is. */
  readonly identity: Identity | undefined;
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
export function readRaftLog(files: readonly FileWindow[], index: bigint, begins: bigint): RaftLog {
  const reader = new WalReader();
  const log = new LogBuilder(files.at(-1)!.path, index);
  log.lastIndex = larger(0n, begins - 1n);
  for (const { type, data, offset } of reader.records(files)) {
    const message = new ProtoReader((what) => log.corrupt(`the record at byte ${offset} ${what}`), data);
    if (type === walRecord.entry) log.add(decodeEntry(message));
    else if (type === walRecord.state) log.state = decodeHardState(message);
    else if (type === walRecord.metadata) log.identify(message);
    else if (type === walRecord.snapshot) log.mark(decodeSnapshotMark(message));
    else if (type !== walRecord.crc) {
      throw log.corrupt(`the record at byte ${offset} is of the unknown type ${type}`);
    }
  }
  return log.finish(reader.tornTail);
}

/** Told by the head of each file of a log, also while etcd writes to its end. Undefined where it does not say. */
export function readIdentity(file: FileWindow): Identity | undefined {
  for (const { type, data } of new WalReader().records([file])) {
    if (type === walRecord.metadata) {
      return decodeIdentity(
        new ProtoReader((what) => new CorruptFileError('WAL_CORRUPT', file.path, what), data),
      );
    }
    if (type !== walRecord.crc) return undefined;
  }
  return undefined;
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);

class LogBuilder {
  state: HardState = { term: 0n, commit: 0n };
  lastIndex = 0n;
  readonly #path: string;
  readonly #after: bigint;
  readonly #entries: RaftEntry[] = [];
  readonly #outline = new LogOutline();
  readonly #voterChanges: VoterChange[] = [];
  readonly #snapshots: VotersAt[] = [];
  #identity: Identity | undefined;

  constructor(path: string, after: bigint) {
    this.#path = path;
    this.#after = after;
  }

  add(entry: RaftEntry): void {
    const { index, term, type, data } = entry;
    this.#keep(entry);
    this.#outline.add(index, term, crc32c(0, data));
    while ((this.#voterChanges.at(-1)?.index ?? 0n) >= index) this.#voterChanges.pop();
    if (type === raftEntry.confChange) {
      const fail = (what: string): CorruptFileError => this.corrupt(`raft entry ${index} ${what}`);
      const change = decodeVoterChange(index, new ProtoReader(fail, data));
      if (change !== undefined) this.#voterChanges.push(change);
    }
    this.lastIndex = index;
  }

  #keep(entry: RaftEntry): void {
    if (entry.index <= this.#after) {
      if (this.#entries.length > 0) this.#entries.length = 0;
      return;
    }
    const place = entry.index - this.#after - 1n;
    if (place > BigInt(this.#entries.length)) {
      const wanted = this.#after + BigInt(this.#entries.length) + 1n;
      const what = `raft entry ${wanted} is missing: the log goes on with ${entry.index}`;
      throw new CorruptFileError('WAL_GAP', this.#path, what);
    }
    this.#entries.length = Number(place);
    this.#entries.push({ ...entry, data: Buffer.from(entry.data) });
  }

  mark(snapshot: VotersAt): void {
    this.#snapshots.push(snapshot);
    this.lastIndex = larger(this.lastIndex, snapshot.index);
  }

  identify(message: ProtoReader): void {
    const identity = decodeIdentity(message);
    const { memberId, clusterId } = (this.#identity ??= identity);
    if (identity.memberId === memberId && identity.clusterId === clusterId) return;
    throw message.malformed('is of another member or cluster than those before it');
  }

  corrupt(what: string): CorruptFileError {
    return new CorruptFileError('WAL_CORRUPT', this.#path, what);
  }

  finish(tornTail: TornTail | undefined): RaftLog {
    if (this.#identity === undefined && tornTail === undefined) {
      throw this.corrupt('the log does not say whose it is');
    }
    return {
      ...this.state,
      entries: this.#entries,
      outline: this.#outline,
      voterChanges: this.#voterChanges,
      snapshots: this.#snapshots,
      lastIndex: this.lastIndex,
      identity: this.#identity,
      tornTail,
    };
  }
}
