import type { S3Client } from '@aws-sdk/client-s3';
import { createHash, getFips } from 'node:crypto';
import type { S3Location } from '../location.js';
import { asS3Error } from './errors.js';
import { requestFault } from './fault.js';
import type { AskedBucket } from './place-errors.js';

/** A bucket with a prefix, and how to ask for something in it. */
export class S3Bucket implements AskedBucket {
  readonly client: S3Client;
  readonly name: string;
  /** What every key begins with: empty, or with a slash at its end. */
  readonly folder: string;
  /** For people. */
  readonly location: string;
  readonly pathStyle: boolean;
  /** Whether bodies are sent with their MD5. Machines in FIPS mode have none. */
  #withDigests = getFips() === 0;

  constructor(client: S3Client, { bucket, prefix }: S3Location) {
    this.client = client;
    this.name = bucket;
    this.pathStyle = client.config.forcePathStyle;
    this.folder = prefix === '' ? '' : `${prefix}/`;
    this.location = prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
  }

  object(name: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.name, Key: this.folder + name };
  }

  /** Makes requests; what fails is an error of this program, or the reason of the abort. */
  async ask<Answer>(
    request: (options: RequestOptions) => Promise<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    signal.throwIfAborted();
    try {
      return await request(requestOptions(signal));
    } catch (error) {
      signal.throwIfAborted();
      throw this.explain(error);
    }
  }

  /**
   * Sends bytes with their MD5, without which a bucket with a default retention takes none. The few services that
   * refuse it are asked without one, from then on at once.
   */
  async sendBody<Answer>(content: Buffer, send: (body: Body) => Promise<Answer>): Promise<Answer> {
    if (!this.#withDigests) return send({ Body: content });
    try {
      return await send({ Body: content, ContentMD5: createHash('md5').update(content).digest('base64') });
    } catch (error) {
      const { name, status } = requestFault(error);
      if ((status !== 400 && status !== 501) || name === 'BadDigest') throw error;
      const answer = await send({ Body: content });
      this.#withDigests = false;
      return answer;
    }
  }

  explain(error: unknown): unknown {
    return asS3Error(error, this);
  }
}

export interface Body {
  readonly Body: Buffer;
  readonly ContentMD5?: string;
}

export interface RequestOptions {
  readonly abortSignal: AbortSignal;
}

/** A signal of its own for each request: of many that listen to one, Node suspects that they were forgotten. */
export function requestOptions(signal: AbortSignal): RequestOptions {
  return { abortSignal: AbortSignal.any([signal]) };
}
