import { FerryError } from '../core/errors.js';
import { maskPassword } from '../core/urls.js';

/** What the operator wrote behind `--to` or `--from`. */
export type Location =
  | { readonly kind: 'directory'; readonly path: string }
  | ({ readonly kind: 's3' } & S3Location)
  | { readonly kind: 'standard-output' };

export interface S3Location {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the top of the bucket. */
  readonly prefix: string;
}

/** Whether a path is meant for a bucket, even if it is not written well, and not for a place on this machine. */
export const isInBucket = (path: string): boolean => /^s3:/i.test(path);

/** @throws FerryError LOCATION_UNUSABLE (`usage`) */
export function parseLocation(text: string): Location {
  if (text === '-') return { kind: 'standard-output' };
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    if (text === '') throw locationUnusable(text, 'is empty');
    if (isInBucket(text))
      throw locationUnusable(text, 'begins with s3: and not with s3://, as a bucket does');
    return { kind: 'directory', path: text };
  }
  if (scheme !== 's3') throw locationUnusable(text, 'is of a kind that is not known');
  const [bucket, ...folders] = text.slice('s3://'.length).split('/');
  if (bucket === undefined || bucket === '') throw locationUnusable(text, 'names no bucket');
  if (!isOneSegment(bucket)) {
    throw locationUnusable(
      text,
      `names a bucket ${JSON.stringify(maskPassword(bucket))}, and no bucket can have that name`,
    );
  }
  return { kind: 's3', bucket, prefix: folders.filter((folder) => folder !== '').join('/') };
}

/** Servers have rules of their own for names; this is what would become another URL, or bring a password along. */
function isOneSegment(bucket: string): boolean {
  return bucket !== '.' && bucket !== '..' && !/[\s\p{Cc}@?#%\\]/u.test(bucket);
}

/**
 * The place and the name of a file in a bucket, such as `s3://bucket/prefix/FILE`.
 * @throws FerryError LOCATION_UNUSABLE (`usage`)
 */
export function parseRemoteFile(text: string): { readonly location: string; readonly name: string } {
  parseLocation(text);
  const [, location, name] = /^(.+:\/\/.+)\/([^/]+)$/.exec(text) ?? [];
  if (location === undefined || name === undefined) throw locationUnusable(text, 'names no file');
  return { location, name };
}

/** For a location that is no use, or none for what is asked. */
export function locationUnusable(text: string, fault: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'LOCATION_UNUSABLE',
    message: `The location ${JSON.stringify(maskPassword(text))} ${fault}.`,
    hint: 'Give a folder or s3://bucket/prefix.',
  });
}
