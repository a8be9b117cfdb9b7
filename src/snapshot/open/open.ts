import { open as openFile, stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { openSnapshot, type FileSource } from '../../etcd-files/mvcc/store-file.js';
import { checkTrailer, type TrailerCheck } from '../../etcd-files/bbolt/trailer.js';
import type { Context, Environment } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { isInBucket, parseRemoteFile } from '../../storage/location.js';
import type { S3Options } from '../../storage/s3/client.js';
import type { Storage } from '../../storage/storage.js';
import { encryptedChunkPrefix } from '../archive/archive-writer.js';
import type { DecryptionKeys } from '../../age/encryption.js';
import type { Manifest } from '../archive/manifest.js';
import { largeTempFolder, Spool } from '../archive/spool.js';
import type { StoppedMembers } from '../../at-rest/stopped-members.js';
import { asFerryError, asView, type FileView } from '../../at-rest/store-view.js';

/** A store at rest, wherever it came from. */
export interface OpenedStore extends FileView {
  readonly path: string;
  /** Bytes of the file as it lies there; undefined for a data directory. */
  readonly size: number | undefined;
  readonly kind: 'archive' | 'snapshot' | 'data-directory';
  /** Only archives have one. It was checked against the bytes. */
  readonly manifest: Manifest | undefined;
  /** True when a hash over the whole file was checked; a bare `db` file has none. */
  readonly hashChecked: boolean;
  /** The etcd snapshot as a plain file, unpacked; undefined for a data directory. */
  readonly plain: FileSource | undefined;
  /** How certain it is that a data directory has all that was acknowledged; undefined for everything else. */
  readonly stopped: StoppedMembers | undefined;
}

/** How to get at a store that does not simply lie there. */
export interface StoreAccess {
  readonly keys?: DecryptionKeys;
  readonly s3?: S3Options;
}

/**
 * Opens a `.sferry` archive, an etcd snapshot, a bare `db` file, or a stopped data directory, and checks
 * whatever hash it carries. The first two may lie in a bucket. What is unpacked or fetched goes into a nameless
 * temporary file, sealed: a folder may be another machine's, or a disk that is taken out.
 */
export async function openStore(
  path: string,
  context: Context,
  access: StoreAccess = {},
): Promise<OpenedStore> {
  try {
    if (isInBucket(path)) return await openRemote(path, context, access);
    const kind = await kindOf(path);
    if (kind === 'data-directory') return await openDataDirectoryAt(path, context);
    return kind === 'snapshot' ? await openSnapshotAt(path) : await openArchiveAt(path, context, access);
  } catch (error) {
    throw asFerryError(error, path);
  }
}

type FileKind = 'archive' | 'encrypted-archive' | 'snapshot';

/** What lies at a path, unread. */
export interface FoundFile {
  readonly kind: FileKind | 'data-directory';
  /** Where a file in a bucket is; undefined for what lies here. */
  readonly remote: { readonly storage: Storage; readonly name: string } | undefined;
}

/** @throws FerryError as `openStore`, but for what is wrong in the file */
export async function findFile(
  path: string,
  { env, signal }: Pick<Context, 'env' | 'signal'>,
  { s3 }: StoreAccess,
): Promise<FoundFile> {
  if (!isInBucket(path)) return { kind: await kindOf(path), remote: undefined };
  const { name, storage, kind } = await findRemote(path, env, signal, s3);
  return { kind, remote: { storage, name } };
}

async function findRemote(path: string, env: Environment, signal: AbortSignal, s3: S3Options | undefined) {
  const { openStorage } = await import('../../storage/open.js');
  const { location, name } = parseRemoteFile(path);
  const storage = await openStorage(location, env, s3);
  const head = await buffer(storage.read(name, signal, { start: 0, end: headLength }));
  return { name, storage, kind: fileKindOf(name, head) };
}

async function kindOf(path: string): Promise<FileKind | 'data-directory'> {
  const found = await stat(path);
  if (found.isDirectory()) return 'data-directory';
  // Opening a pipe that nobody writes to never returns, not even at Ctrl-C.
  if (!found.isFile()) throw notAFile(path);
  const file = await openFile(path, 'r');
  try {
    const head = Buffer.alloc(headLength);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return fileKindOf(path, head.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

/** The header of a tar's first entry. */
const headLength = 512;

function fileKindOf(name: string, head: Buffer): FileKind {
  if (head.toString('latin1').startsWith(encryptedChunkPrefix)) return 'encrypted-archive';
  if (head.toString('latin1', 257, 262) === 'ustar') return 'archive';
  // With its first bytes damaged or gone, the name alone tells an archive.
  return head.length > 0 && name.endsWith('.sferry') ? 'archive' : 'snapshot';
}

function notAFile(path: string): FerryError {
  return new FerryError({
    kind: 'source',
    code: 'SOURCE_NOT_A_FILE',
    message: `${path} is neither a file nor a folder.`,
    hint: 'A store is read back and forth: write what comes out of a pipe into a file first.',
  });
}

async function openDataDirectoryAt(path: string, context: Context): Promise<OpenedStore> {
  const { openStoppedMembers } = await import('../../at-rest/stopped-members.js');
  return storeOfStopped(await openStoppedMembers(context, [path]));
}

/** What stopped members hold, as any other store. It is closed with it. */
export function storeOfStopped(stopped: StoppedMembers): OpenedStore {
  return {
    ...asView(stopped.directory),
    path: stopped.newest.path,
    size: undefined,
    kind: 'data-directory',
    manifest: undefined,
    hashChecked: false,
    plain: undefined,
    stopped,
  };
}

async function openSnapshotAt(path: string): Promise<OpenedStore> {
  const { trailer } = await checkTrailer(path);
  const view = asView(openSnapshot(path));
  const { size } = await stat(path);
  return { ...snapshotFacts(path, size, trailer), ...view, plain: path };
}

function snapshotFacts(path: string, size: number, trailer: TrailerCheck['trailer']) {
  const hashChecked = trailer === 'matches';
  return { path, size, kind: 'snapshot', manifest: undefined, hashChecked, stopped: undefined } as const;
}

async function openArchiveAt(path: string, context: Context, { keys }: StoreAccess): Promise<OpenedStore> {
  const { archiveAt, unpackArchive } = await import('../archive/unpack.js');
  const { size } = await stat(path);
  const spool = new Spool(largeTempFolder(context.env), 'sealed');
  return openSpooled(path, spool, async () => {
    const manifest = await unpackArchive(context, archiveAt(path), spool, { keys });
    return { path, size, kind: 'archive', manifest, hashChecked: true, stopped: undefined };
  });
}

/** Fetches the file once, front to back. */
async function openRemote(path: string, context: Context, { keys, s3 }: StoreAccess): Promise<OpenedStore> {
  const { archiveIn, unpackArchive } = await import('../archive/unpack.js');
  const { name, storage, kind } = await findRemote(path, context.env, context.signal, s3);
  const spool = new Spool(largeTempFolder(context.env), 'sealed');
  return openSpooled(path, spool, async () => {
    let size = 0;
    const count = (length: number): number => (size += length);
    if (kind !== 'snapshot') {
      const archive = archiveIn(path, storage, name);
      const manifest = await unpackArchive(context, archive, spool, { keys, count });
      return { path, size, kind: 'archive', manifest, hashChecked: true, stopped: undefined };
    }
    for await (const chunk of storage.read(name, context.signal)) {
      count(chunk.length);
      await spool.write(chunk);
    }
    const { trailer } = await checkTrailer({ fd: spool.file, path });
    return snapshotFacts(path, size, trailer);
  });
}

/** The store in a spool that `fill` fills. The spool goes with it. */
async function openSpooled(
  path: string,
  spool: Spool,
  fill: () => Promise<Omit<OpenedStore, keyof FileView | 'plain'>>,
): Promise<OpenedStore> {
  try {
    const facts = await fill();
    const plain = { fd: spool.file, path };
    const view = asView(openSnapshot(plain));
    const close = (): void => {
      view.close();
      spool.close();
    };
    return { ...view, ...facts, plain, close };
  } catch (error) {
    spool.close();
    throw error;
  }
}
