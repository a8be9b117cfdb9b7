import { join } from 'node:path';
import { openSnapshot, type StoreFile } from '../bolt/store-file.js';
import { TempFile } from '../bolt/temp-file.js';
import type { Context } from '../core/context.js';
import { PartFile } from '../core/part-file.js';
import type { EtcdClient } from '../etcd/client.js';
import { chooseSnapshotMember, type MemberChoice } from '../etcd/snapshot-member.js';
import { ArchiveWriter } from './archive-writer.js';
import { chunksOf, inChunks } from './chunks.js';
import { readClusterId } from './cluster-id.js';
import { readContents, type StoreContents } from './contents.js';
import type { Manifest } from './manifest.js';
import { newManifest } from './new-manifest.js';
import { asFerryError, asView } from './store-view.js';
import { StreamCheck } from './stream-check.js';

export interface SaveOptions {
  /** An existing directory. */
  readonly directory: string;
  /** First part of the file's name; by default `sensu-` and the first 8 digits of Sensu's cluster id. */
  readonly name?: string;
  /** Name and version of this program, for the manifest. */
  readonly tool: string;
}

export interface SavePlan extends SaveOptions {
  readonly member: MemberChoice;
}

/** A snapshot as `etcdctl snapshot save` writes it: checked against etcd's sha256, its keys not gone through. */
export interface SavedSnapshot {
  readonly path: string;
  readonly member: { readonly name: string; readonly endpoint: string };
  readonly revision: bigint;
  /** Of the etcd snapshot, trailer included. */
  readonly size: number;
  readonly sha256: string;
  /** Bytes of the file. */
  readonly storedSize: number;
  readonly milliseconds: number;
}

/** An archive: every key of it was read. */
export interface SavedArchive extends SavedSnapshot {
  readonly contents: StoreContents;
}

export async function planSave(client: EtcdClient, options: SaveOptions): Promise<SavePlan> {
  return { ...options, member: await chooseSnapshotMember(client) };
}

/** Streams the snapshot of the chosen member into a plain `.db` that etcdutl reads. */
export function savePlain(context: Context, client: EtcdClient, plan: SavePlan): Promise<SavedSnapshot> {
  return saveWhole(context, plan, async (part) => {
    const sensuClusterId = await readClusterId(client);
    const stream = await receive(context, client, plan, (chunk) => part.write(chunk));
    const revision = await inSnapshot(part.fd, plan, (file) => Promise.resolve(file.revision));
    const name = fileName(plan, { revision, sensuClusterId }, context.clock.now());
    return { ...stream, name: `${name}.db`, revision, storedSize: part.size };
  });
}

/**
 * Streams it into an archive with a manifest. The plain snapshot goes into a nameless file beside the archive,
 * because what is in it is known only when it is whole: bbolt's pages lie in no order.
 */
export function saveArchive(context: Context, client: EtcdClient, plan: SavePlan): Promise<SavedArchive> {
  return saveWhole(context, plan, async (part) => {
    const spool = new TempFile(plan.directory);
    try {
      const createdAt = context.clock.now();
      const plain = await receive(context, client, plan, (chunk) => {
        spool.append(chunk, chunk.length);
      });
      const archive = new ArchiveWriter(part, createdAt);
      const [stored, contents] = await Promise.all([
        compress(spool.fd, archive),
        inSnapshot(spool.fd, plan, (file) => readContents(asView(file), context)),
      ]);
      await archive.finish(newManifest({ ...plan, createdAt, plain, stored, contents }));
      const name = `${fileName(plan, contents, createdAt)}.sferry`;
      return { ...plain, name, revision: contents.revision, storedSize: part.size, contents };
    } finally {
      spool.close();
    }
  });
}

type Placed = Pick<SavedSnapshot, 'path' | 'member' | 'milliseconds'>;

/** Gives the file its name when the work on it is done; leaves nothing behind when it fails. */
async function saveWhole<Written extends { readonly name: string }>(
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

async function receive(
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

/** Goes on beside the reading of the contents, on the thread pool; while the stream came, it would have slowed it. */
async function compress(fd: number, archive: ArchiveWriter): Promise<Manifest['stored']> {
  for await (const chunk of chunksOf(fd)) await archive.add(chunk);
  return archive.finishSnapshot();
}

async function inSnapshot<Found>(
  fd: number,
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

function fileName(
  { name }: SavePlan,
  { revision, sensuClusterId }: { readonly revision: bigint; readonly sensuClusterId?: string | undefined },
  now: Date,
): string {
  const cluster = name ?? `sensu-${sensuClusterId?.slice(0, 8) ?? 'unknown'}`;
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  return `${cluster}-${time}-r${revision}`;
}
