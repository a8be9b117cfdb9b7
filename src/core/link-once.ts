import { link, lstat } from 'node:fs/promises';
import { systemCode } from './errors.js';

const withoutHardLinks: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/**
 * Gives a file a further name in one step: between a look at the name and a rename another could take it.
 * @returns False where something has the name, be it a link that leads nowhere; undefined where the file system knows
 *   no hard links.
 */
export async function linkOnce(from: string, to: string): Promise<boolean | undefined> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const code = systemCode(error) ?? '';
    if (withoutHardLinks.has(code)) return undefined;
    if (code !== 'EEXIST') throw error;
    // A file server whose answer was lost is asked again and finds its own link: the count tells.
    return (await lstat(from)).nlink === 2;
  }
}
