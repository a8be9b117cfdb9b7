import type { Environment } from '../core/context.js';
import { DirectoryStorage } from './directory.js';
import { locationUnusable, parseLocation } from './location.js';
import type { S3Options } from './s3/client.js';
import type { Storage } from './storage.js';

/** @throws FerryError as `parseLocation`, and for standard output, which holds nothing */
export async function openStorage(
  location: string,
  env: Environment,
  options: S3Options = {},
): Promise<Storage> {
  const parsed = parseLocation(location);
  if (parsed.kind === 'directory') return new DirectoryStorage(parsed.path);
  if (parsed.kind === 'standard-output') throw locationUnusable(location, 'is standard output');
  const { openS3 } = await import('./s3/storage.js');
  return openS3(parsed, env, options);
}
