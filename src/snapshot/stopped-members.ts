import { setImmediate } from 'node:timers/promises';
import { openingDataDirectory, type DataDirectory } from '../bolt/data-directory.js';
import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatId } from '../core/units.js';
import { asFerryError } from './store-view.js';

/** What the data directory of a stopped member says of itself. */
export interface StoppedMember {
  readonly path: string;
  readonly name: string;
  readonly revision: bigint;
  /** Index of the newest entry of the cluster's log that the member knows to be agreed on. */
  readonly raftIndex: bigint;
}

export interface LaggingMember extends StoppedMember {
  /** By how much the member is behind the most advanced one; zero for one that is level with it. */
  readonly behind: { readonly revisions: bigint; readonly entries: bigint };
}

/** The stopped members of one cluster, of which the most advanced counts. */
export interface StoppedMembers {
  readonly newest: StoppedMember;
  readonly directory: DataDirectory;
  readonly others: readonly LaggingMember[];
  /** Directories that cannot be read, and why. */
  readonly passedOver: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Replays the data directories of stopped members, and keeps the most advanced one open: the one that knows most
 * of the cluster's log. Members of one cluster never disagree on what they know to be agreed on.
 * @throws FerryError `refused` when one is in use, or of another cluster; the first one's fault when none can be read
 */
export async function openStoppedMembers(
  context: Context,
  paths: readonly string[],
): Promise<StoppedMembers> {
  const faults: { path: string; error: FerryError }[] = [];
  const members: StoppedMember[] = [];
  let best: DataDirectory | undefined;
  try {
    for (const path of new Set(paths)) {
      const opened = await openIfSound(context, path, faults);
      if (opened === undefined) continue;
      members.push(memberOf(opened));
      if (best === undefined) best = opened;
      else best = keepNewer(best, opened);
    }
    if (best === undefined) throw faults[0]!.error;
    return { ...ranked(members, best), directory: best, passedOver: faults.map(asReason) };
  } catch (error) {
    best?.close();
    throw error;
  }
}

/** One broken disk of three must not stand in the way; a running member must. */
async function openIfSound(
  context: Context,
  path: string,
  faults: { path: string; error: FerryError }[],
): Promise<DataDirectory | undefined> {
  try {
    return await openStopped(context, path);
  } catch (error) {
    if (!(error instanceof FerryError) || error.kind === 'refused') throw error;
    faults.push({ path, error });
    return undefined;
  }
}

/**
 * Replays the data directory of a stopped member, while other work gets its turn and Ctrl-C is heard.
 * @throws FerryError as `asFerryError` has it
 */
export async function openStopped({ signal, report }: Context, path: string): Promise<DataDirectory> {
  const opening = openingDataDirectory(path);
  try {
    for (;;) {
      const { done, value } = opening.next();
      if (done === true) {
        if (value.useUnknown !== undefined) {
          report.warn(`Make sure that nothing runs on ${path}: that cannot be told, as ${value.useUnknown}.`);
        }
        return value;
      }
      report.progress({ task: `Reading ${path}`, unit: 'bytes', done: value.bytesRead });
      await setImmediate();
      signal.throwIfAborted();
    }
  } catch (error) {
    opening.return(undefined as never);
    throw asFerryError(error, path);
  }
}

function memberOf({ path, members, memberId = 0n, revision, replayed }: DataDirectory): StoppedMember {
  const name = members.find(({ id }) => id === memberId)?.name;
  return { path, name: name || formatId(memberId), revision, raftIndex: replayed.toIndex };
}

function keepNewer(best: DataDirectory, other: DataDirectory): DataDirectory {
  if (best.clusterId !== other.clusterId) {
    other.close();
    throw otherCluster(best.path, other.path);
  }
  const [newer, older] = other.replayed.toIndex > best.replayed.toIndex ? [other, best] : [best, other];
  older.close();
  return newer;
}

function ranked(
  members: readonly StoppedMember[],
  { path }: DataDirectory,
): Pick<StoppedMembers, 'newest' | 'others'> {
  const newest = members.find((member) => member.path === path)!;
  const others = members
    .filter((member) => member !== newest)
    .map((member) => ({
      ...member,
      behind: {
        revisions: newest.revision - member.revision,
        entries: newest.raftIndex - member.raftIndex,
      },
    }));
  return { newest, others };
}

const asReason = ({
  path,
  error,
}: {
  path: string;
  error: FerryError;
}): { path: string; reason: string } => ({
  path,
  reason: error.message,
});

function otherCluster(first: string, second: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'CLUSTERS_DIFFER',
    message: `${second} is of another etcd cluster than ${first}.`,
    hint: 'Give the data directories of one cluster, and save the other one by itself.',
  });
}
