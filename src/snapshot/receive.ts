import { join } from 'node:path';
import { openSnapshot, type StoreFile } from '../bolt/store-file.js';
import type { OpenFile } from '../bolt/temp-file.js';
import type { Context } from '../core/context.js';
import { PartFile } from '../core/part-file.js';
import type { EtcdClient } from '../etcd/client.js';
import { inChunks } from './chunks.js';
import type { Manifest } from './manifest.js';
import type { SavedSnapshot, SavePlan } from './save-plan.js';
import { asFerryError } from './store-view.js';
import { StreamCheck } from './stream-check.js';

type Placed = Pick<SavedSnapshot, 'path' | 'member' | 'milliseconds'>;

/** Gives the file its name when the work on it is done; leaves nothing behind when it fails. */
export async function saveWhole<Written extends { readonly name: string }>(
  context: Context,
  { directory, member }: SavePlan,
  write: (part: PartFile) => Promise<Written>,
): Promise<Omit<Written, 'name'> & Placed> {
  const startedAt = performance.now();
  const part = await PartFile.create(join(directory, `.sensu-ferry-${process.pid}-${Date.now()}`));
  try {
    const { name, ...written } = await write(part);
    const path = join(directory, name);
    context.signal.throwIfAborted();
    await part.commit(path);
    return {
      ...written,
      path,
      member: { name: member.name, endpoint: member.endpoint },
      milliseconds: performance.now() - startedAt,
    };
  } catch (error) {
    await part.discard();
    throw error;
  }
}

/** Passes the snapshot of the chosen member on and checks it against etcd's sha256. */
export async function receive(
  context: Context,
  client: EtcdClient,
  { member: { endpoint, status } }: SavePlan,
  take: (chunk: Buffer) => Promise<void> | void,
): Promise<Manifest['plain']> {
  const check = new StreamCheck();
  const total = Number(status.dbSize);
  let done = 0;
  for await (const chunk of inChunks(client.snapshot(endpoint))) {
    context.signal.throwIfAborted();
    check.update(chunk);
    await take(chunk);
    done += chunk.length;
    context.report.progress({ task: 'Snapshot', unit: 'bytes', done, total: Math.max(total, done) });
  }
  return check.finish(endpoint);
}

/** Looks into a snapshot that was just received. */
export async function inSnapshot<Found>(
  fd: OpenFile,
  { member }: SavePlan,
  look: (file: StoreFile) => Promise<Found>,
): Promise<Found> {
  const path = `the snapshot of ${member.endpoint}`;
  let file: StoreFile | undefined;
  try {
    file = openSnapshot({ fd, path });
    return await look(file);
  } catch (error) {
    throw asFerryError(error, path);
  } finally {
    file?.close();
  }
}
