import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type AbortMultipartUploadCommandInput,
  type ListMultipartUploadsCommandInput,
  type ListMultipartUploadsCommandOutput,
  type MultipartUpload,
} from '@aws-sdk/client-s3';
import { FerryError } from '../../core/errors.js';
import type { RequestOptions, S3Bucket } from './bucket.js';
import { requestFault } from './fault.js';

/**
 * Uploads that were begun and never ended. What a server does not tell of them stays where it is.
 * @throws FerryError S3_UPLOADS_NOT_LISTED (`failed`), where a server answers everything but this
 */
export async function* listUploads(bucket: S3Bucket, signal: AbortSignal): AsyncGenerator<MultipartUpload> {
  const { name: Bucket, folder: Prefix, client } = bucket;
  let marker: Pick<ListMultipartUploadsCommandInput, 'KeyMarker' | 'UploadIdMarker'> = {};
  for (;;) {
    const command = new ListMultipartUploadsCommand({ Bucket, Prefix, ...marker });
    const page: ListMultipartUploadsCommandOutput = await askAside(
      bucket,
      (options) => client.send(command, options),
      signal,
    );
    yield* page.Uploads ?? [];
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
    const goesOn = KeyMarker !== marker.KeyMarker || UploadIdMarker !== marker.UploadIdMarker;
    if (page.IsTruncated !== true || KeyMarker === undefined || !goesOn) return;
    marker = { KeyMarker, UploadIdMarker };
  }
}

/** Nothing happens to one that has ended meanwhile. */
export async function giveUp(
  bucket: S3Bucket,
  upload: AbortMultipartUploadCommandInput,
  signal: AbortSignal,
): Promise<void> {
  const command = new AbortMultipartUploadCommand(upload);
  await askAside(
    bucket,
    async (options) => {
      try {
        await bucket.client.send(command, options);
      } catch (error) {
        if (requestFault(error).name !== 'NoSuchUpload') throw error;
      }
    },
    signal,
  );
}

/** A server that answers, with whatever fault, is there: it may take a backup all the same. */
async function askAside<Answer>(
  bucket: S3Bucket,
  request: (options: RequestOptions) => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    return await bucket.ask(request, signal);
  } catch (error) {
    const isThere = error instanceof FerryError && requestFault(error.cause).status !== undefined;
    if (!isThere || error.kind !== 'unreachable') throw error;
    const { message, hint, cause } = error;
    throw new FerryError({ kind: 'failed', code: 'S3_UPLOADS_NOT_LISTED', message, hint, cause });
  }
}
