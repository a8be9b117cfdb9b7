import {
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsCommandOutput,
  type ListObjectsV2CommandOutput,
  type _Object as ListedObject,
} from '@aws-sdk/client-s3';
import type { FerryError } from '../../core/errors.js';
import { listIncomplete } from '../names.js';
import type { S3Bucket } from './bucket.js';
import { strangeAnswer } from './errors.js';

/**
 * The objects in the bucket's folder. A server that ends a page without a token for the next one knows only the first
 * version of the request, and is asked for the rest in that.
 * @throws FerryError S3_LIST_INCOMPLETE (`failed`): a part of a list must not pass for the whole
 */
export async function* listObjects(bucket: S3Bucket, signal: AbortSignal): AsyncGenerator<ListedObject> {
  let token: string | undefined;
  for (;;) {
    const command = new ListObjectsV2Command({ ...listed(bucket), ContinuationToken: token });
    const page: ListObjectsV2CommandOutput = await bucket.ask(
      (options) => bucket.client.send(command, options),
      signal,
    );
    // A page of the web, or the list of all buckets, would pass for an empty one.
    if (page.Name === undefined && page.IsTruncated === undefined) {
      throw strangeAnswer(bucket, 'what it sends is not the list of a bucket');
    }
    yield* page.Contents ?? [];
    if (page.IsTruncated !== true) return;
    const next = page.NextContinuationToken;
    if (next === undefined) {
      yield* listBehind(bucket, keysOf(page).at(-1), signal);
      return;
    }
    if (next === token) throw incomplete(bucket);
    token = next;
  }
}

/** The objects behind a key, in the first version of the request, whose pages begin behind keys. */
async function* listBehind(
  bucket: S3Bucket,
  key: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<ListedObject> {
  let marker = key;
  for (;;) {
    if (marker === undefined) throw incomplete(bucket);
    const command = new ListObjectsCommand({ ...listed(bucket), Marker: marker });
    const page: ListObjectsCommandOutput = await bucket.ask(
      (options) => bucket.client.send(command, options),
      signal,
    );
    const last: string = marker;
    if (keysOf(page).some((found) => !isBehind(found, last))) throw incomplete(bucket);
    yield* page.Contents ?? [];
    if (page.IsTruncated !== true) return;
    marker = page.NextMarker ?? keysOf(page).at(-1);
    if (marker !== undefined && !isBehind(marker, last)) throw incomplete(bucket);
  }
}

function listed({ name, folder }: S3Bucket) {
  return { Bucket: name, Prefix: folder, Delimiter: '/' } as const;
}

/** In their order, those of folders among them. */
function keysOf({ Contents = [], CommonPrefixes = [] }: ListObjectsCommandOutput): readonly string[] {
  const keys = [...Contents.map(({ Key = '' }) => Key), ...CommonPrefixes.map(({ Prefix = '' }) => Prefix)];
  return keys.sort((a, b) => (isBehind(a, b) ? 1 : -1));
}

/** In the order of a bucket, which is that of the bytes. */
function isBehind(key: string, other: string): boolean {
  return Buffer.compare(Buffer.from(key), Buffer.from(other)) > 0;
}

function incomplete({ location }: S3Bucket): FerryError {
  return listIncomplete(location, 'the server breaks off and does not say how to go on');
}
