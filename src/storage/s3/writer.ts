import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3';
import { setTimeout } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import type { RequestOptions, S3Bucket } from './bucket.js';
import { strangeAnswer } from './errors.js';
import { requestFault } from './fault.js';
import type { StorageWriter } from '../storage.js';

/** S3 takes 10,000 parts of at least 5 MiB; these are enough for ten stores of the largest size that etcd allows. */
const partSize = 8 * 1024 * 1024;
const partsInFlight = 3;

/** Before a part is sent once more, after the SDK has tried it for a moment. */
const pausesMs = [1000, 3000, 10_000, 30_000];

/** How long a server may take to forget an upload that is given up. */
const abortMs = 30_000;

interface UploadedPart {
  readonly UploadId: string;
  readonly PartNumber: number;
  readonly Body: Buffer;
}

/**
 * Uploads in parts that go side by side; what is smaller than one part goes in one request. The object is there
 * once the parts are put together, which is the last request. In memory are at most four parts.
 */
export class S3Writer implements StorageWriter {
  readonly #bucket: S3Bucket;
  readonly #name: string;
  readonly #signal: AbortSignal;
  /** Ends the requests of this upload, whoever wants that. */
  readonly #stop = new AbortController();
  #part: Buffer = Buffer.alloc(0);
  #filled = 0;
  #uploadId: string | undefined;
  readonly #parts: CompletedPart[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #size = 0;
  #done = false;

  constructor(bucket: S3Bucket, name: string, signal: AbortSignal) {
    this.#bucket = bucket;
    this.#name = name;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  get size(): number {
    return this.#size;
  }

  async write(chunk: Buffer): Promise<void> {
    this.#size += chunk.length;
    for (let taken = 0; taken < chunk.length;) {
      if (this.#part.length === 0) this.#part = Buffer.allocUnsafeSlow(partSize);
      const copied = chunk.copy(this.#part, this.#filled, taken);
      taken += copied;
      this.#filled += copied;
      if (this.#filled === partSize) await this.#sendPart();
    }
  }

  async commit(): Promise<void> {
    if (this.#uploadId === undefined) await this.#putWhole();
    else await this.#putTogether(this.#uploadId);
    this.#done = true;
  }

  async abort(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    this.#stop.abort(new Error('The upload was given up.'));
    await Promise.all(this.#inFlight);
    if (this.#uploadId === undefined) return;
    const abort = new AbortMultipartUploadCommand({ ...this.#object, UploadId: this.#uploadId });
    // What is not freed now is freed by `removeUnfinished`; the failure that led here is the one to tell.
    await this.#bucket.client
      .send(abort, { abortSignal: AbortSignal.timeout(abortMs) })
      .catch(() => undefined);
  }

  get #object(): ReturnType<S3Bucket['object']> {
    return this.#bucket.object(this.#name);
  }

  async #sendPart(): Promise<void> {
    this.#uploadId ??= await this.#begin();
    const PartNumber = this.#parts.push({});
    const Body = this.#part.subarray(0, this.#filled);
    this.#part = Buffer.alloc(0);
    this.#filled = 0;
    const sending = this.#upload({ UploadId: this.#uploadId, PartNumber, Body })
      .then(({ ETag }) => {
        this.#parts[PartNumber - 1] = { PartNumber, ...(ETag !== undefined && { ETag }) };
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
    if (this.#inFlight.size >= partsInFlight) await Promise.race(this.#inFlight);
    this.#throwFailure();
  }

  /** A server that is restarted must not cost an upload of an hour. */
  async #upload(part: UploadedPart): Promise<UploadPartCommandOutput> {
    for (const pause of pausesMs) {
      try {
        return await this.#send(part);
      } catch (error) {
        if (!(error instanceof FerryError) || error.kind !== 'unreachable') throw error;
        await setTimeout(pause, undefined, { signal: this.#signal }).catch(() => undefined);
      }
    }
    return this.#send(part);
  }

  #send({ Body, ...part }: UploadedPart): Promise<UploadPartCommandOutput> {
    return this.#bucket.ask(
      (options) =>
        this.#bucket.sendBody(Body, (body) =>
          this.#bucket.client.send(new UploadPartCommand({ ...this.#object, ...part, ...body }), options),
        ),
      this.#signal,
    );
  }

  async #begin(): Promise<string> {
    const begin = new CreateMultipartUploadCommand(this.#object);
    const { UploadId } = await this.#bucket.ask(
      (options) => this.#bucket.client.send(begin, options),
      this.#signal,
    );
    if (!UploadId) throw strangeAnswer(this.#bucket, 'it began an upload and gave it no name');
    return UploadId;
  }

  async #putWhole(): Promise<void> {
    const content = this.#part.subarray(0, this.#filled);
    await this.#bucket.ask(
      (options) =>
        this.#bucket.sendBody(content, (body) =>
          this.#bucket.client.send(new PutObjectCommand({ ...this.#object, ...body }), options),
        ),
      this.#signal,
    );
  }

  async #putTogether(UploadId: string): Promise<void> {
    if (this.#filled > 0) await this.#sendPart();
    await Promise.all(this.#inFlight);
    this.#throwFailure();
    const Parts = this.#parts;
    const complete = new CompleteMultipartUploadCommand({
      ...this.#object,
      UploadId,
      MultipartUpload: { Parts },
    });
    await this.#bucket.ask(async (options) => {
      try {
        await this.#bucket.client.send(complete, options);
      } catch (error) {
        if (requestFault(error).name !== 'NoSuchUpload' || !(await this.#isWhole(options))) throw error;
      }
    }, this.#signal);
  }

  /** An answer that was lost is asked for again, and by then the upload has become the object. */
  async #isWhole(options: RequestOptions): Promise<boolean> {
    const head = this.#bucket.client.send(new HeadObjectCommand(this.#object), options);
    return head.then(
      ({ ContentLength }) => ContentLength === this.#size,
      () => false,
    );
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
