import { join } from 'node:path';
import { openSnapshot, type StoreFile } from '../bolt/store-file.js';
import { TempFile } from '../bolt/temp-file.js';
import type { Context } from '../core/context.js';
import { PartFile } from '../core/part-file.js';
import { formatId } from '../core/units.js';
import type { EtcdClient, MemberStatus } from '../etcd/client.js';
import { chooseSnapshotMember, type MemberChoice } from '../etcd/snapshot-member.js';
import { ArchiveWriter } from './archive-writer.js';
import { readContents, type StoreContents } from './contents.js';
import type { Manifest } from './manifest.js';
import { asFerryError, asView } from './open.js';
import { StreamCheck } from './stream-check.js';

export interface SaveOptions {
  /** An existing directory. */
  readonly directory: string;
  /** `sferry`: an archive with a manifest. `etcd`: the plain file that etcdutl reads. */
  readonly format: 'sferry' | 'etcd';
  /** First part of the file's name; by default `sensu-` and the first 8 digits of Sensu's cluster id. */
  readonly name?: string;
  /** Name and version of this program, for the manifest. */
  readonly tool: string;
}

export interface SavePlan extends SaveOptions {
  readonly member: MemberChoice;
}

export interface SavedSnapshot {
  readonly path: string;
  readonly format: SaveOptions['format'];
  readonly member: { readonly name: string; readonly endpoint: string };
  readonly revision: bigint;
  /** Of the etcd snapshot, trailer included. */
  readonly size: number;
  readonly sha256: string;
  /** Bytes of the file. */
  readonly storedSize: number;
  readonly contents: StoreContents;
  readonly milliseconds: number;
}

export async function planSave(client: EtcdClient, options: SaveOptions): Promise<SavePlan> {
  return { ...options, member: await chooseSnapshotMember(client) };
}

/** Streams the snapshot of the chosen member into a file that is whole or not there. */
export async function applySave(
  context: Context,
  client: EtcdClient,
  plan: SavePlan,
): Promise<SavedSnapshot> {
  const startedAt = performance.now();
  const part = await PartFile.create(join(plan.directory, `.sensu-ferry-${process.pid}-${Date.now()}`));
  try {
    const saved =
      plan.format === 'etcd'
        ? await savePlain(context, client, plan, part)
        : await saveArchive(context, client, plan, part);
    const path = join(plan.directory, fileName(plan, saved.contents, context.clock.now()));
    context.signal.throwIfAborted();
    await part.commit(path);
    const { member, format } = plan;
    return {
      ...saved,
      path,
      format,
      member: { name: member.name, endpoint: member.endpoint },
      revision: saved.contents.revision,
      milliseconds: performance.now() - startedAt,
    };
  } catch (error) {
    await part.discard();
    throw error;
  }
}

type Saved = Pick<SavedSnapshot, 'size' | 'sha256' | 'storedSize' | 'contents'>;

async function savePlain(
  context: Context,
  client: EtcdClient,
  plan: SavePlan,
  part: PartFile,
): Promise<Saved> {
  const stream = await receive(context, client, plan, (blob) => part.write(blob));
  const contents = await contentsOf(part.fd, plan.member.endpoint, context);
  return { ...stream, storedSize: stream.size, contents };
}

/**
 * The plain snapshot goes into a nameless file beside the archive, because what is in it is known only when it
 * is whole: bbolt's pages lie in no order.
 */
async function saveArchive(
  context: Context,
  client: EtcdClient,
  plan: SavePlan,
  part: PartFile,
): Promise<Saved> {
  const spool = new TempFile(plan.directory);
  try {
    const archive = new ArchiveWriter(part, context.clock.now());
    const stream = await receive(context, client, plan, async (blob) => {
      spool.append(blob, blob.length);
      await archive.add(blob);
    });
    const [stored, contents] = await Promise.all([
      archive.finishSnapshot(),
      contentsOf(spool.fd, plan.member.endpoint, context),
    ]);
    await archive.finish(manifestOf(context, plan, stream, stored, contents));
    return { ...stream, storedSize: part.size, contents };
  } finally {
    spool.close();
  }
}

async function receive(
  context: Context,
  client: EtcdClient,
  plan: SavePlan,
  take: (blob: Buffer) => Promise<void>,
): Promise<{ size: number; sha256: string }> {
  const { endpoint, status } = plan.member;
  const check = new StreamCheck();
  const total = Number(status.dbSize);
  let done = 0;
  for await (const blob of client.snapshot(endpoint)) {
    context.signal.throwIfAborted();
    check.update(blob);
    await take(blob);
    done += blob.length;
    context.report.progress({ task: 'Snapshot', unit: 'bytes', done, total: Math.max(total, done) });
  }
  return check.finish(endpoint);
}

async function contentsOf(fd: number, endpoint: string, context: Context): Promise<StoreContents> {
  const path = `the snapshot of ${endpoint}`;
  let file: StoreFile | undefined;
  try {
    file = openSnapshot({ fd, path });
    return await readContents(asView(file), context);
  } catch (error) {
    throw asFerryError(error, path);
  } finally {
    file?.close();
  }
}

function fileName(plan: SavePlan, contents: StoreContents, now: Date): string {
  const cluster = plan.name ?? `sensu-${contents.sensuClusterId?.slice(0, 8) ?? 'unknown'}`;
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  return `${cluster}-${time}-r${contents.revision}.${plan.format === 'etcd' ? 'db' : 'sferry'}`;
}

function manifestOf(
  context: Context,
  plan: SavePlan,
  plain: Manifest['plain'],
  stored: Manifest['stored'],
  contents: StoreContents,
): Manifest {
  return {
    format: 'sensu-ferry',
    version: 1,
    createdAt: context.clock.now().toISOString(),
    tool: plan.tool,
    etcd: etcdOf(plan.member.name, plan.member.status, contents),
    sensu: {
      clusterId: contents.sensuClusterId ?? null,
      databaseVersion: contents.databaseVersion ?? null,
    },
    content: {
      keys: contents.keys,
      bytes: contents.bytes,
      leases: contents.leases,
      prefixes: [...contents.prefixes],
      digest: contents.digest,
    },
    plain,
    stored,
    notIncluded: ['backend.yml, environment files and TLS files of the backends'],
  };
}

function etcdOf(memberName: string, status: MemberStatus, contents: StoreContents): Manifest['etcd'] {
  return {
    version: status.version,
    clusterId: formatId(status.clusterId),
    memberId: formatId(status.memberId),
    memberName,
    revision: String(contents.revision),
  };
}
