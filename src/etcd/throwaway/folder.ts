import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identifyThisProcess, lookForProcess, type ProcessIdentity } from '../../host/process-identity.js';

const prefix = 'sensu-ferry-etcd-';
/** Of another container or an earlier start of the machine nobody can tell whether it is dead; none works so long. */
const longestUseMs = 24 * 3600 * 1000;

/**
 * Makes a folder for throwaway members, for this user alone. It holds a store in clear: those that killed processes
 * of this user have left in `parent` are deleted first.
 */
export async function makeThrowawayFolder(parent: string): Promise<string> {
  await sweep(parent);
  const folder = await mkdtemp(join(parent, prefix));
  await writeFile(ownerFile(folder), JSON.stringify(await identifyThisProcess()), {
    mode: 0o600,
    flag: 'wx',
  });
  return folder;
}

const ownerFile = (folder: string): string => join(folder, 'owner.json');

async function sweep(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((found) => found.startsWith(prefix))) {
    const folder = join(parent, name);
    // Somebody else may sweep at the same time.
    if (await isAbandoned(folder)) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Without an owner a folder was just made, or is not one of ours. */
async function isAbandoned(folder: string): Promise<boolean> {
  try {
    const found = await lstat(folder);
    if (!found.isDirectory() || found.uid !== process.getuid?.()) return false;
    const owner = JSON.parse(await readFile(ownerFile(folder), 'utf8')) as ProcessIdentity;
    const state = await lookForProcess(owner);
    return state === 'gone' || (state === 'unknown' && Date.now() - found.mtimeMs > longestUseMs);
  } catch {
    return false;
  }
}
