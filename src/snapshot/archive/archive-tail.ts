import { buffer } from 'node:stream/consumers';
import { FerryError } from '../../core/errors.js';
import type { Storage, StoredFile } from '../../storage/storage.js';
import { manifestName } from './archive-writer.js';
import { parseManifest, type Manifest } from './manifest.js';
import { blockSize, readHead } from './tar-head.js';

/** How far from the end a manifest is looked for; one of a few kilobytes is usual. */
const reaches = [64 * 1024, 4 * 1024 * 1024];

/**
 * The manifest of an archive from its last bytes alone, whatever its size. It tells a whole archive from one that was
 * cut short; damage in front of it is for `snapshot verify`.
 * @throws FerryError ARCHIVE_CUT, or as `parseManifest`
 */
export async function readManifest(
  storage: Storage,
  { name, size }: Pick<StoredFile, 'name' | 'size'>,
  signal: AbortSignal,
): Promise<Manifest> {
  for (const reach of reaches) {
    const start = Math.max(0, size - reach);
    const tail = await buffer(storage.read(name, signal, { start, end: size }));
    const body = lastEntry(tail);
    if (body !== undefined) return parseManifest(body, name);
    if (start === 0) break;
  }
  throw new FerryError({
    kind: 'integrity',
    code: 'ARCHIVE_CUT',
    message: `${name} has no manifest at its end: it was cut short, or is no archive.`,
    hint: 'Remove it, or look at it with sensu-ferry snapshot verify.',
  });
}

/** The body of the manifest when it is the last entry of the tar, and the tar ends as it should. */
function lastEntry(tail: Buffer): Buffer | undefined {
  const end = tail.length - 2 * blockSize;
  if (end < 0 || tail.subarray(end).some((byte) => byte !== 0)) return undefined;
  for (let at = end - blockSize; at >= 0; at -= blockSize) {
    if (tail.toString('latin1', at, at + manifestName.length) !== manifestName) continue;
    const head = readHead(tail.subarray(at, at + blockSize));
    if (head?.path !== manifestName) continue;
    const bodyEnd = at + blockSize + head.size;
    const isLast = Math.ceil(bodyEnd / blockSize) * blockSize === end;
    if (isLast) return tail.subarray(at + blockSize, bodyEnd);
  }
  return undefined;
}
