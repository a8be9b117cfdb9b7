import { openSnapshot, type StoreFile } from '../bolt/store-file.js';
import type { OpenFile } from '../bolt/temp-file.js';
import type { Context } from '../core/context.js';
import type { EtcdClient } from '../etcd/client.js';
import { inChunks } from './chunks.js';
import type { Manifest } from './manifest.js';
import type { SavePlan } from './save-plan.js';
import { asFerryError } from './store-view.js';
import { StreamCheck } from './stream-check.js';

/** Passes the snapshot of the chosen member on and checks it against etcd's sha256. */
export async function receive(
  context: Context,
  client: EtcdClient,
  { member: { endpoint, status } }: SavePlan,
  take: (chunk: Buffer) => Promise<void>,
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
