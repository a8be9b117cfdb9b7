import { setImmediate } from 'node:timers/promises';
import {
  agreementOf,
  contradiction,
  sharedUpTo,
  type Agreement,
} from '../etcd-files/data-directory/agreement.js';
import { replayingDirectory, type DataDirectory } from '../etcd-files/data-directory/data-directory.js';
import { placeOf } from '../etcd-files/data-directory/data-layout.js';
import { openStoppedLog, type StoppedLog } from '../etcd-files/data-directory/stopped-log.js';
import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatId } from '../core/units.js';
import { asFerryError } from './store-view.js';

/** What the data directory of a stopped member says of itself. */
export interface StoppedMember {
  readonly path: string;
  readonly name: string;
  readonly revision: bigint;
  /** Index of the last entry of its log that counts. */
  readonly raftIndex: bigint;
  /** Entries at the end of its log that do not count: no majority of the voters had them. */
  readonly leftOut: bigint;
}

export interface LaggingMember extends StoppedMember {
  /** By how much the member is behind what counts; zero for one that has all of it. */
  readonly behind: { readonly revisions: bigint; readonly entries: bigint };
}

/** The stopped members of one cluster: what counts of their logs, replayed over the db file of one of them. */
export interface StoppedMembers {
  readonly newest: StoppedMember;
  readonly directory: DataDirectory;
  readonly others: readonly LaggingMember[];
  readonly agreement: Agreement;
  /** Directories that cannot be read, and why. */
  readonly passedOver: readonly { readonly path: string; readonly reason: string }[];
}

interface Fault {
  readonly path: string;
  readonly error: FerryError;
}

/**
 * Reads the logs of stopped members, settles what counts of them, and replays it. A directory that is given twice, by
 * whatever name, is one.
 * @throws FerryError `refused` when one is in use, of another cluster, or a copy of another one; `integrity` when they
 * contradict each other; the first one's fault when none can be read
 */
export async function openStoppedMembers(
  context: Context,
  paths: readonly string[],
): Promise<StoppedMembers> {
  const faults: Fault[] = [];
  const logs: StoppedLog[] = [];
  try {
    for (const path of distinct(paths)) {
      const log = await ifSound(path, faults, () => openLog(context, path));
      if (log === undefined) continue;
      logs.push(log);
      assertOneCluster(logs);
    }
    if (logs.length === 0) throw faults[0]!.error;
    return await replayMembers(context, logs, faults);
  } catch (error) {
    for (const { base } of logs) base.close();
    throw error;
  }
}

/** `d`, `d/` and a link to it are one directory. */
function distinct(paths: readonly string[]): readonly string[] {
  const byPlace = new Map<string, string>();
  for (const path of paths) {
    const place = placeOf(path);
    if (!byPlace.has(place)) byPlace.set(place, path);
  }
  return [...byPlace.values()];
}

/** One broken disk of three must not stand in the way; a running member must. */
async function ifSound<Result>(
  path: string,
  faults: Fault[],
  read: () => Promise<Result> | Result,
): Promise<Result | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof FerryError) || error.kind === 'refused') throw error;
    faults.push({ path, error });
    return undefined;
  }
}

function openLog({ report }: Context, path: string): StoppedLog {
  try {
    const log = openStoppedLog(path);
    const { unknown } = log.untouched;
    if (unknown !== undefined) {
      report.warn(`Make sure that nothing runs on ${path}: that cannot be told, as ${unknown}.`);
    }
    return log;
  } catch (error) {
    throw asFerryError(error, path);
  }
}

/** The newest of the logs against those before it. */
function assertOneCluster(logs: readonly StoppedLog[]): void {
  const newest = logs.at(-1)!;
  for (const log of logs.slice(0, -1)) {
    if (log.log.identity?.clusterId !== newest.log.identity?.clusterId)
      throw otherCluster(log.path, newest.path);
    if (log.member.memberId === newest.member.memberId) throw sameMember(log, newest);
    const entry = contradiction(log.member, newest.member);
    if (entry !== undefined)
      throw otherStore(log.path, newest.path, `their logs differ in raft entry ${entry}`);
  }
}

/**
 * Replays the log that counts over the db file of a member that has it, and the others up to where they agree, to tell
 * how far they lag.
 */
async function replayMembers(
  context: Context,
  logs: readonly StoppedLog[],
  faults: Fault[],
): Promise<StoppedMembers> {
  const agreement = agreementOf(logs.map(({ member }) => member));
  const [chosen, directory] = await replayFirst(context, inOrder(logs, agreement), agreement, faults);
  try {
    const newest = memberOf(directory, chosen);
    const others: LaggingMember[] = [];
    for (const log of logs) {
      if (log === chosen || faults.some(({ path }) => path === log.path)) continue;
      const upTo = least(agreement.upTo, sharedUpTo(log.member, chosen.member));
      const replayed = await ifSound(log.path, faults, () => replay(context, log, { ...agreement, upTo }));
      if (replayed === undefined) continue;
      others.push(lagOf(memberOf(replayed, log), newest));
      replayed.close();
    }
    return { newest, directory, others, agreement, passedOver: faults.map(asReason) };
  } catch (error) {
    directory.close();
    throw error;
  }
}

/** Those that have what counts: with the least beyond it first, and of those the one with the least to replay. */
function inOrder(logs: readonly StoppedLog[], { holders, upTo }: Agreement): readonly StoppedLog[] {
  const effort = ({ member, log }: StoppedLog): readonly [bigint, number] => [
    member.outline.last - upTo,
    log.entries.length,
  ];
  return logs
    .filter(({ member }) => holders.includes(member))
    .sort((a, b) => {
      const [[beyond, entries], [itsBeyond, itsEntries]] = [effort(a), effort(b)];
      return beyond === itsBeyond ? entries - itsEntries : beyond < itsBeyond ? -1 : 1;
    });
}

async function replayFirst(
  context: Context,
  candidates: readonly StoppedLog[],
  agreement: Agreement,
  faults: Fault[],
): Promise<[StoppedLog, DataDirectory]> {
  for (const log of candidates) {
    const directory = await ifSound(log.path, faults, () => replay(context, log, agreement));
    if (directory !== undefined) return [log, directory];
  }
  throw faults.find(({ path }) => path === candidates[0]!.path)!.error;
}

/** Replays while other work gets its turn and Ctrl-C is heard. @throws FerryError as `asFerryError` has it */
async function replay(
  { signal, report }: Context,
  log: StoppedLog,
  agreement: Agreement,
): Promise<DataDirectory> {
  const { path } = log;
  const replaying = replayingDirectory(log, agreement);
  try {
    for (;;) {
      const { done, value } = replaying.next();
      if (done === true) return value;
      report.progress({ task: `Reading ${path}`, unit: 'bytes', done: value.bytesRead });
      await setImmediate();
      signal.throwIfAborted();
    }
  } catch (error) {
    replaying.return(undefined as never);
    throw asFerryError(error, path);
  }
}

function memberOf(directory: DataDirectory, { log, member }: StoppedLog): StoppedMember {
  const { path, members, memberId = 0n, revision, replayed } = directory;
  const name = members.find(({ id }) => id === memberId)?.name;
  return {
    ...{ path, name: name || formatId(memberId), revision },
    raftIndex: replayed.toIndex,
    leftOut: log.entries.length === 0 ? 0n : member.outline.last - replayed.toIndex,
  };
}

/** @throws FerryError LOGS_DISAGREE: whoever has less of the log has no more revisions */
function lagOf(member: StoppedMember, newest: StoppedMember): LaggingMember {
  const revisions = newest.revision - member.revision;
  const entries = newest.raftIndex - member.raftIndex;
  if (revisions < 0n || (entries === 0n && revisions !== 0n)) {
    const what = `at entry ${member.raftIndex} of the log one is at revision ${member.revision}, at entry ${newest.raftIndex} the other at ${newest.revision}`;
    throw otherStore(member.path, newest.path, what);
  }
  return { ...member, behind: { revisions, entries } };
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);

const asReason = ({ path, error }: Fault): { path: string; reason: string } => ({
  path,
  reason: error.message,
});

function otherCluster(first: string, second: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'CLUSTERS_DIFFER',
    message: `${first} and ${second} belong to different etcd clusters.`,
    hint: 'Give the data directories of one cluster, and save the other one by itself.',
  });
}

function sameMember({ path, member }: StoppedLog, other: StoppedLog): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'MEMBER_TWICE',
    message: `${path} and ${other.path} are two directories of one member, ${formatId(member.memberId)}.`,
    hint: 'Give each member once: the directory that it ran on last, not a copy of it.',
  });
}

function otherStore(first: string, second: string, what: string): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'LOGS_DISAGREE',
    message: `${first} and ${second} are not of one store: ${what}.`,
    hint: 'One of them was restored from a snapshot by itself, or is damaged. Save each alone, and compare them with snapshot diff.',
  });
}
