import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { isInBucket, parseRemoteFile } from '../../storage/location.js';
import { openStorage } from '../../storage/open.js';
import type { Storage } from '../../storage/storage.js';
import { identify, isSnapshotName, markVerified, unmarkVerified } from '../keep/catalog.js';
import type { StoreAccess } from '../open/open.js';
import type { SnapshotIdentity } from '../keep/side-files.js';
import { verifyFile, type FileVerification, type VerifyOptions } from './verify.js';

/**
 * Verifies a file, and notes beside a snapshot that it was found to be good, or takes back an earlier note when it was
 * not: by that note `prune` knows what to keep, and `check --require-verified` what to count. A file of another name is
 * none that they look at, and gets no note; nor does one that was changed meanwhile. A verdict that cannot be noted is
 * one all the same, and a warning.
 * @param tool Name and version of this program.
 * @throws FerryError as `verifyFile`
 */
export async function verifyAndNote(
  context: Context,
  path: string,
  options: VerifyOptions,
  tool: string,
): Promise<FileVerification> {
  const place = await settled(context, () => placeOf(context, path, options.access ?? {}));
  const verification = await verifyFile(context, path, options);
  const noted = await settled(context, async () => {
    if (place instanceof FerryError) throw place;
    if (place !== undefined) await noteVerdict(context, place, verification, tool);
  });
  if (noted instanceof FerryError) {
    const hint = 'prune and check do not know of this verdict';
    context.report.warn(`It cannot be noted beside ${path}, and ${hint}: ${noted.message}`);
  }
  return verification;
}

interface Place {
  readonly storage: Storage;
  readonly name: string;
  /** Before it was read; undefined when it is damaged. */
  readonly seen: SnapshotIdentity | undefined;
}

/** Undefined for a file of another name. A link stands for the file that it leads to: the note belongs beside that. */
async function placeOf(context: Context, path: string, { s3 }: StoreAccess): Promise<Place | undefined> {
  const { location, name } = isInBucket(path)
    ? parseRemoteFile(path)
    : locate(await realpath(path).catch(() => path));
  if (!isSnapshotName(name)) return undefined;
  const storage = await openStorage(location, context.env, s3);
  const seen = await settled(context, () => identify(context, storage, name));
  if (!(seen instanceof FerryError)) return { storage, name, seen };
  if (seen.kind === 'integrity') return { storage, name, seen: undefined };
  throw seen;
}

const locate = (path: string) => ({ location: dirname(path), name: basename(path) });

async function noteVerdict(
  context: Context,
  { storage, name, seen }: Place,
  { ok, hashChecked, revision, digest }: FileVerification,
  tool: string,
): Promise<void> {
  if (!ok) return unmarkVerified(context, storage, name);
  if (!hashChecked || seen === undefined || revision === undefined || digest === undefined) return;
  const verifiedAt = context.clock.now();
  await markVerified(context, storage, name, { verifiedAt, revision, digest, tool }, seen);
}

/** The result of the work, or the error of this program that it ends with. */
async function settled<Result>(
  { signal }: Context,
  work: () => Promise<Result>,
): Promise<Result | FerryError> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FerryError) return error;
    throw error;
  }
}
