import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Context } from '../../core/context.js';
import { isInBucket, parseRemoteFile } from '../../storage/location.js';
import { openStorage } from '../../storage/open.js';
import { isSnapshotName, markVerified, unmarkVerified } from '../catalog.js';
import type { StoreAccess } from '../open.js';
import type { FileVerification } from './verify.js';

/**
 * Notes beside a snapshot that it was found to be good, and takes back an earlier note when it was not: by that note
 * `prune` knows what to keep, and `check --require-verified` what to count. A file of another name is none that they
 * look at, and gets no note.
 * @param tool Name and version of this program.
 * @throws FerryError when the place of the snapshot cannot be written
 */
export async function markVerdict(
  context: Context,
  { path, ok, hashChecked, revision, digest }: FileVerification,
  access: StoreAccess,
  tool: string,
): Promise<void> {
  const { location, name } = isInBucket(path) ? parseRemoteFile(path) : await placeOf(path);
  if (!isSnapshotName(name)) return;
  const storage = await openStorage(location, context.env, access.s3);
  if (!ok) return unmarkVerified(context, storage, name);
  if (!hashChecked || revision === undefined || digest === undefined) return;
  const verifiedAt = context.clock.now();
  await markVerified(context, storage, name, { verifiedAt, revision, digest, tool });
}

/** A link stands for the file that it leads to: the note belongs beside that one. */
async function placeOf(path: string): Promise<{ readonly location: string; readonly name: string }> {
  const file = await realpath(path);
  return { location: dirname(file), name: basename(file) };
}
