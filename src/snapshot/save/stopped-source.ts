import { setImmediate } from 'node:timers/promises';
import { planColdSnapshot, type ColdSnapshot } from '../../etcd-files/write/cold-snapshot.js';
import type { DataDirectory } from '../../etcd-files/data-directory/data-directory.js';
import type { Context } from '../../core/context.js';
import { clusterIdKey, singleKey } from '../../store/sensu-root.js';
import { chunkSize } from '../../core/chunks.js';
import { parseClusterId } from '../../at-rest/cluster-id.js';
import type { SaveOptions, SavePlan } from './save-plan.js';
import type { SnapshotSource } from './snapshot-source.js';
import type { StoppedMembers } from '../../at-rest/stopped-members.js';
import { asFerryError } from '../../at-rest/store-view.js';

/** The snapshot that a member would have sent, had it been asked before it stopped. */
export async function planColdSave(
  context: Context,
  members: StoppedMembers,
  options: SaveOptions,
): Promise<SavePlan> {
  return { ...options, source: await stoppedMember(context, members) };
}

async function stoppedMember(
  context: Context,
  { newest, directory, agreement }: StoppedMembers,
): Promise<SnapshotSource> {
  const { path, memberId = 0n, clusterId = 0n, clusterVersion = 'unknown' } = directory;
  const snapshot = await layOut(context, directory);
  return {
    place: path,
    member: { name: newest.name, id: memberId, clusterId, etcdVersion: clusterVersion },
    ...(agreement.doubt && { mayLack: 'writes that were acknowledged shortly before the members stopped' }),
    size: snapshot.size,
    bytes: () => pieces(snapshot, path),
    sensuClusterId: () => Promise.resolve(clusterIdIn(directory)),
  };
}

/** Reads the store once: where a snapshot's last page lies is written in its first. */
async function layOut({ report, signal }: Context, directory: DataDirectory): Promise<ColdSnapshot> {
  const { path, dbSize } = directory;
  try {
    const planning = planColdSnapshot(directory);
    for (let pages = 1; ; pages += 1) {
      const { done, value } = planning.next();
      if (done === true) return value;
      if (pages % 256 !== 0) continue;
      report.progress({
        task: `Planning ${path}`,
        unit: 'bytes',
        done: value,
        total: Math.max(value, dbSize),
      });
      await setImmediate();
      signal.throwIfAborted();
    }
  } catch (error) {
    throw asFerryError(error, path);
  }
}

/** A page at a time would be a turn of the event loop for each. */
async function* pieces(snapshot: ColdSnapshot, path: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    let gathered: Buffer[] = [];
    let length = 0;
    for (const piece of snapshot.bytes()) {
      gathered.push(piece);
      length += piece.length;
      if (length < chunkSize) continue;
      yield Buffer.concat(gathered);
      gathered = [];
      length = 0;
      await setImmediate();
    }
    yield Buffer.concat(gathered);
  } catch (error) {
    throw asFerryError(error, path);
  }
}

function clusterIdIn(directory: DataDirectory): string | undefined {
  for (const [entry] of directory.entries(singleKey(clusterIdKey)))
    return entry && parseClusterId(entry.value);
  return undefined;
}
