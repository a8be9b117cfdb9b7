import { buffer } from 'node:stream/consumers';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import type { Storage, StoredFile } from '../../storage/storage.js';
import { readManifest } from '../archive/archive-tail.js';
import { factsInName } from './file-name.js';
import { isLockFile } from './lock-files.js';
import {
  isSame,
  pinnedName,
  readVerification,
  snapshotOfSideFile,
  verifiedName,
  writeVerification,
  type SnapshotIdentity,
  type Verification,
} from './side-files.js';

/** A snapshot that lies in a storage, as far as its last bytes and the files beside it tell. */
export interface StoredSnapshot extends SnapshotIdentity {
  readonly name: string;
  readonly createdAt: Date;
  readonly revision: bigint;
  /** Live keys; undefined for a plain `.db`. */
  readonly keys: number | undefined;
  /** Bytes of the etcd snapshot. */
  readonly size: number;
  /** Of the lasting keys; undefined for a plain `.db`. */
  readonly digest: string | undefined;
  readonly verification: Verification | undefined;
  readonly verifiedAt: Date | undefined;
  readonly encrypted: boolean;
  readonly pinned: boolean;
}

/** A file that is no snapshot of ours, not a whole one, or not to be read. Nothing here ever touches it. */
export interface StrayFile {
  readonly name: string;
  /** `unreadable` may be as good as any: of a newer version, of another user, or archived by the service. */
  readonly kind: 'foreign' | 'damaged' | 'unreadable';
  readonly reason: string;
}

export interface Catalog {
  /** Newest first. */
  readonly snapshots: readonly StoredSnapshot[];
  readonly strays: readonly StrayFile[];
  /** Side files whose snapshot is gone: what is left of a prune that was killed. */
  readonly orphans: readonly string[];
}

/** Requests under way at once. */
const atOnce = 8;

/**
 * Lists the snapshots of a storage, by one small read at the end of each. A file that is not one of ours, is damaged
 * or cannot be read is a stray, and no reason to fail.
 * @throws FerryError when the storage cannot be listed, is away, or lets none of its snapshots be read
 */
export async function readCatalog({ signal }: Pick<Context, 'signal'>, storage: Storage): Promise<Catalog> {
  const files = new Map<string, StoredFile>();
  for await (const file of storage.list(signal)) files.set(file.name, file);
  const candidates = [...files.values()].filter(
    ({ name }) => !isLockFile(name) && snapshotOfSideFile(name) === undefined,
  );
  const found: (StoredSnapshot | LookedAt | undefined)[] = [];
  for (let at = 0; at < candidates.length; at += atOnce) {
    const batch = candidates.slice(at, at + atOnce);
    found.push(...(await Promise.all(batch.map((file) => look(storage, file, files, signal)))));
  }
  const snapshots = found.filter((file) => file !== undefined && 'revision' in file);
  const strays = found.filter((file) => file !== undefined && 'reason' in file);
  refuseIfAllDenied(snapshots, strays);
  return {
    snapshots: snapshots.sort(newestFirst),
    strays: strays.map(({ name, kind, reason }) => ({ name, kind, reason })).sort(byName),
    orphans: [...files.keys()].filter((name) => {
      const snapshot = snapshotOfSideFile(name);
      return snapshot !== undefined && kindOf(snapshot) !== undefined && !files.has(snapshot);
    }),
  };
}

/** @throws FerryError SNAPSHOT_MISSING; ARCHIVE_CUT and the like for one that is damaged */
export async function identify(
  context: Pick<Context, 'signal'>,
  storage: Storage,
  name: string,
): Promise<SnapshotIdentity> {
  return readFacts(storage, await findSnapshot(context, storage, name), context.signal);
}

/**
 * Notes beside a snapshot that it was verified with success just now.
 * @param seen What it was before it was verified.
 * @throws FerryError as `identify`; SNAPSHOT_CHANGED (`integrity`) when it is not what was verified
 */
export async function markVerified(
  context: Pick<Context, 'signal'>,
  storage: Storage,
  name: string,
  verification: Verification,
  seen?: SnapshotIdentity,
): Promise<void> {
  const identity = await identify(context, storage, name);
  if (seen !== undefined && !isSame(seen, identity)) throw changed(name);
  await writeVerification(storage, name, verification, identity, context.signal);
}

/** Takes such a note back. */
export async function unmarkVerified(
  { signal }: Pick<Context, 'signal'>,
  storage: Storage,
  name: string,
): Promise<void> {
  for await (const file of storage.list(signal)) {
    if (file.name === verifiedName(name)) return storage.remove(file.name, signal);
  }
}

/** Whether a file of this name is one that is listed. */
export const isSnapshotName = (name: string): boolean => kindOf(name) !== undefined;

/** @throws FerryError SNAPSHOT_MISSING */
export async function findSnapshot(
  { signal }: Pick<Context, 'signal'>,
  storage: Storage,
  name: string,
): Promise<StoredFile> {
  if (kindOf(name) !== undefined) {
    for await (const file of storage.list(signal)) if (file.name === name) return file;
  }
  throw new FerryError({
    kind: 'usage',
    code: 'SNAPSHOT_MISSING',
    message: `There is no snapshot ${name} in ${storage.location}.`,
    hint: `See what is there: sensu-ferry snapshot list ${storage.location}.`,
  });
}

/** Who may read none lacks a permission on the place: an empty list would be a lie. */
function refuseIfAllDenied(snapshots: readonly StoredSnapshot[], strays: readonly LookedAt[]): void {
  const ours = strays.filter(({ kind }) => kind !== 'foreign');
  if (snapshots.length > 0 || ours.length === 0) return;
  if (ours.every(({ error }) => error !== undefined && isForbidden(error))) throw ours[0]!.error!;
}

const isForbidden = ({ kind, code }: FerryError): boolean =>
  kind === 'denied' || code === 'LOCATION_UNREADABLE';

interface LookedAt extends StrayFile {
  /** Why it could not be read. */
  readonly error?: FerryError;
}

/** Undefined when it has gone since it was listed. */
async function look(
  storage: Storage,
  file: StoredFile,
  files: ReadonlyMap<string, StoredFile>,
  signal: AbortSignal,
): Promise<StoredSnapshot | LookedAt | undefined> {
  const { name } = file;
  if (kindOf(name) === undefined) return { name, kind: 'foreign', reason: 'not a snapshot of sensu-ferry' };
  try {
    const facts = await readFacts(storage, file, signal);
    const verification = files.has(verifiedName(name))
      ? await readVerification(storage, name, facts, signal)
      : undefined;
    const verifiedAt = verification?.verifiedAt;
    return { name, ...facts, verification, verifiedAt, pinned: files.has(pinnedName(name)) };
  } catch (error) {
    signal.throwIfAborted();
    // A server that is away has lost nothing.
    if (!(error instanceof FerryError) || error.kind === 'unreachable') throw error;
    if (error.code === 'STORED_FILE_MISSING') return undefined;
    const kind = error.kind === 'integrity' ? 'damaged' : 'unreadable';
    return { name, kind, reason: error.message, error };
  }
}

type Facts = Omit<StoredSnapshot, 'name' | 'verification' | 'verifiedAt' | 'pinned'>;

function readFacts(storage: Storage, file: StoredFile, signal: AbortSignal): Promise<Facts> {
  return kindOf(file.name) === 'archive'
    ? archiveFacts(storage, file, signal)
    : plainFacts(storage, file, signal);
}

async function archiveFacts(storage: Storage, file: StoredFile, signal: AbortSignal): Promise<Facts> {
  const { createdAt, etcd, content, plain, stored, encrypted } = await readManifest(storage, file, signal);
  return {
    createdAt: new Date(createdAt),
    revision: BigInt(etcd.revision),
    keys: content.keys,
    size: plain.size,
    storedSize: file.size,
    modifiedAt: file.modifiedAt,
    digest: content.digest.lasting,
    fingerprint: stored.sha256,
    encrypted: encrypted !== undefined,
  };
}

const trailerLength = 32;

async function plainFacts(
  storage: Storage,
  { name, size, modifiedAt }: StoredFile,
  signal: AbortSignal,
): Promise<Facts> {
  // bbolt's files are whole pages, so etcd's sha256 behind them shows in the size.
  if (size % 512 !== trailerLength) throw cut(name);
  const trailer = await buffer(storage.read(name, signal, { start: size - trailerLength, end: size }));
  // Its contents are not read.
  const { createdAt, revision } = factsInName(name)!;
  return {
    ...{ createdAt, revision },
    keys: undefined,
    size,
    storedSize: size,
    modifiedAt,
    digest: undefined,
    fingerprint: trailer.toString('hex'),
    encrypted: false,
  };
}

/** The files of others are often `.db` too. */
function kindOf(name: string): 'archive' | 'plain' | undefined {
  if (name.endsWith('.sferry')) return 'archive';
  return name.endsWith('.db') && factsInName(name) !== undefined ? 'plain' : undefined;
}

function cut(name: string): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'SNAPSHOT_CUT',
    message: `${name} does not end with etcd's sha256: it was cut short.`,
    hint: 'Remove it, or look at it with sensu-ferry snapshot verify.',
  });
}

function changed(name: string): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'SNAPSHOT_CHANGED',
    message: `${name} was changed or replaced while it was verified.`,
    hint: 'See who writes there, and verify it again.',
  });
}

function newestFirst(a: StoredSnapshot, b: StoredSnapshot): number {
  return b.createdAt.getTime() - a.createdAt.getTime() || byName(a, b);
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
