import { FerryError } from '../core/errors.js';
import type { Environment } from '../core/context.js';
import { DirectoryStorage } from './directory.js';
import type { Storage } from './storage.js';

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

/** Where an S3 service is, as far as the environment does not say it. */
export interface S3Options {
  /** Such as `https://minio.example.com:9000`; `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`. */
  readonly endpoint?: string;
  /** `AWS_REGION`, `AWS_DEFAULT_REGION`. */
  readonly region?: string;
  /** The bucket in the path instead of the host's name. Default: with an endpoint of one's own. */
  readonly pathStyle?: boolean;
}

/** @throws FerryError LOCATION_UNUSABLE (`usage`) */
export function parseLocation(text: string): Location {
  if (text === '-') return { kind: 'standard-output' };
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    if (text === '') throw unusable(text, 'is empty');
    return { kind: 'directory', path: text };
  }
  if (scheme !== 's3') throw unusable(text, 'is of a kind that is not known');
  const [bucket, ...folders] = text.slice('s3://'.length).split('/');
  if (!/^[a-z\d][a-z\d._-]{1,253}$/i.test(bucket ?? '')) throw unusable(text, 'names no bucket');
  return { kind: 's3', bucket: bucket!, prefix: folders.filter((folder) => folder !== '').join('/') };
}

/**
 * The place and the name of a file in a bucket, such as `s3://bucket/prefix/FILE`.
 * @throws FerryError LOCATION_UNUSABLE (`usage`)
 */
export function parseRemoteFile(text: string): { readonly location: string; readonly name: string } {
  parseLocation(text);
  const [, location, name] = /^(s3:\/\/.+)\/([^/]+)$/i.exec(text) ?? [];
  if (location === undefined || name === undefined) throw unusable(text, 'names no file');
  return { location, name };
}

/** @throws FerryError as `parseLocation`, and for standard output, which holds nothing */
export async function openStorage(
  location: string,
  env: Environment,
  options: S3Options = {},
): Promise<Storage> {
  const parsed = parseLocation(location);
  if (parsed.kind === 'directory') return new DirectoryStorage(parsed.path);
  if (parsed.kind === 'standard-output') throw unusable(location, 'is standard output');
  const { openS3 } = await import('./s3.js');
  return openS3(parsed, env, options);
}

function unusable(text: string, fault: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'LOCATION_UNUSABLE',
    message: `The location ${JSON.stringify(text)} ${fault}.`,
    hint: 'Give a folder or s3://bucket/prefix.',
  });
}
