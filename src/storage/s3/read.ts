import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import { missingFile } from '../names.js';
import { requestOptions, type S3Bucket } from './bucket.js';
import { isNotFound, requestFault } from './fault.js';
import type { ByteRange } from '../storage.js';

/** How often a download goes on where it broke off before the failure counts. */
const resumptions = 4;

/**
 * The bytes of an object, and none beyond the range, whatever the server sends. A download that breaks off goes on
 * where it was, of the same object.
 * @throws FerryError STORED_FILE_MISSING (`source`); S3_RANGE_IGNORED (`failed`)
 */
export async function* readObject(
  bucket: S3Bucket,
  name: string,
  { start, end }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let at = start;
  let version: string | undefined;
  for (let failures = 0; at < end;) {
    try {
      const answer = await get(bucket, name, { start: at, end }, version, signal);
      version = answer.ETag;
      const { stop, isExact } = extentOf(answer, { start: at, end }, bucket, name);
      for await (const chunk of answer.Body as Readable) {
        const wanted = (chunk as Buffer).subarray(0, stop - at);
        yield wanted;
        at += wanted.length;
        failures = 0;
        // The connection of an answer that is read to its end can be used again.
        if (at === stop && !isExact) return;
      }
      if (at >= stop || stop === Infinity) return;
      throw brokenOff();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FerryError) throw error;
      if (isBeyondEnd(error)) return;
      if (isNotFound(error)) throw missingFile(bucket.location, name, error);
      const answered = requestFault(error).status !== undefined;
      if (answered || failures++ === resumptions) throw bucket.explain(error);
      await setTimeout(500 * failures, undefined, { signal }).catch(() => undefined);
    }
  }
}

function get(
  bucket: S3Bucket,
  name: string,
  { start, end }: ByteRange,
  version: string | undefined,
  signal: AbortSignal,
): Promise<GetObjectCommandOutput> {
  const command = new GetObjectCommand({
    ...bucket.object(name),
    ...((start > 0 || end !== Infinity) && { Range: `bytes=${start}-${end === Infinity ? '' : end - 1}` }),
    ...(version !== undefined && { IfMatch: version }),
  });
  return bucket.client.send(command, requestOptions(signal));
}

interface Extent {
  /** Where in the object the answer ends, or is wanted no further; Infinity where it does not tell. */
  readonly stop: number;
  /** Whether the answer itself ends there. */
  readonly isExact: boolean;
}

/** A server that ignores the range begins at the start of the object: those would be other bytes than were asked for. */
function extentOf(
  answer: GetObjectCommandOutput,
  { start, end }: ByteRange,
  bucket: S3Bucket,
  name: string,
): Extent {
  const { ContentRange, ContentLength = Infinity } = answer;
  const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(ContentRange ?? '') ?? [];
  const isPart = answer.$metadata.httpStatusCode === 206 && Number(first) === start;
  if (isPart || start === 0) {
    const told = isPart ? Number(last) + 1 : ContentLength;
    return { stop: Math.min(told, end), isExact: told <= end && start + ContentLength === told };
  }
  (answer.Body as Readable).destroy();
  throw new FerryError({
    kind: 'failed',
    code: 'S3_RANGE_IGNORED',
    message: `${bucket.location} does not give out a part of ${name}: the server ignores which one was asked for.`,
    hint: 'See whether the server, or a proxy before it, supports requests with Range as S3 does.',
  });
}

function brokenOff(): Error {
  return Object.assign(new Error('The answer ends early.'), { code: 'ECONNRESET' });
}

function isBeyondEnd(error: unknown): boolean {
  return requestFault(error).status === 416;
}
