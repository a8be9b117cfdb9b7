import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CorruptFileError } from '../corrupt.js';
import { crc32c } from '../wal/crc32c.js';
import type { DataLayout } from './data-layout.js';
import { ProtoReader } from '../../protobuf/proto-reader.js';
import type { RaftLog } from '../wal/raft-log.js';
import { decodeSnapshot } from '../wal/raft-records.js';
import type { VotersAt } from '../wal/raft-records.js';

/**
 * Who votes as far as a member knows: those of its newest snapshot, as the WAL or the .snap file has it, and what the log
 * behind it has changed up to `known`, the last entry that the member knows to be agreed on. A change takes effect when it
 * is applied, so one beyond that counts in no election.
 *
 * The db file has voters too, but after a restore those are of the cluster that the snapshot came from.
 * @returns undefined where neither tells
 */
export function votersOf(layout: DataLayout, log: RaftLog, known: bigint): ReadonlySet<bigint> | undefined {
  const marks = log.snapshots.filter(({ index }) => index <= known).reverse();
  for (const mark of marks) {
    const base = mark.index === 0n ? [] : (mark.voters ?? readSnapFile(layout, mark));
    if (base !== undefined) return votersSince(mark.index, base, log, known);
  }
  return undefined;
}

function votersSince(
  index: bigint,
  base: readonly bigint[],
  { outline, voterChanges }: RaftLog,
  known: bigint,
): ReadonlySet<bigint> | undefined {
  // Changes in files that are gone are not known.
  if (outline.last > index && outline.first > index + 1n) return undefined;
  const voters = new Set(base);
  for (const change of voterChanges) {
    if (change.index <= index || change.index > known) continue;
    if (change.votes) voters.add(change.node);
    else voters.delete(change.node);
  }
  return voters.size === 0 ? undefined : voters;
}

/** snappb.snapshot: crc = 1, data = 2. Undefined for one that is gone or damaged. */
function readSnapFile({ snapFolder }: DataLayout, { index, term }: VotersAt): readonly bigint[] | undefined {
  const hex = (value: bigint): string => value.toString(16).padStart(16, '0');
  const path = join(snapFolder, `${hex(term)}-${hex(index)}.snap`);
  if (!existsSync(path)) return undefined;
  const reader = (bytes: Buffer): ProtoReader =>
    new ProtoReader((what) => new CorruptFileError('WAL_CORRUPT', path, what), bytes);
  try {
    let crc = 0n;
    let data = Buffer.alloc(0) as Buffer;
    reader(readFileSync(path)).fields({
      1: (message) => (crc = message.uint64()),
      2: (message) => (data = message.view()),
    });
    if (BigInt(crc32c(0, data)) !== crc) return undefined;
    const found = decodeSnapshot(reader(data));
    return found.index === index ? found.voters : undefined;
  } catch (error) {
    if (error instanceof CorruptFileError) return undefined;
    throw error;
  }
}
