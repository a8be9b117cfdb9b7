import type { S3Client } from '@aws-sdk/client-s3';
import type { S3Location } from './location.js';
import { asS3Error } from './s3-errors.js';

/** A bucket with a prefix, and how to ask for something in it. */
export class S3Bucket {
  readonly client: S3Client;
  readonly name: string;
  /** What every key begins with: empty, or with a slash at its end. */
  readonly folder: string;
  /** For people. */
  readonly location: string;

  constructor(client: S3Client, { bucket, prefix }: S3Location) {
    this.client = client;
    this.name = bucket;
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

  explain(error: unknown): unknown {
    return asS3Error(error, this.location);
  }
}

export interface RequestOptions {
  readonly abortSignal: AbortSignal;
}

/** A signal of its own for each request: of many that listen to one, Node suspects that they were forgotten. */
export function requestOptions(signal: AbortSignal): RequestOptions {
  return { abortSignal: AbortSignal.any([signal]) };
}
