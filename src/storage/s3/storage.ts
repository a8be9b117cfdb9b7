import { DeleteObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { buffer } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import type { Environment } from '../../core/context.js';
import type { S3Location } from '../location.js';
import { fileExists, refuseBadName } from '../names.js';
import { S3Bucket, type RequestOptions } from './bucket.js';
import { createS3Client, type S3Options } from './client.js';
import { isNotFound, requestFault } from './fault.js';
import { listObjects } from './list.js';
import { readObject } from './read.js';
import { giveUp, listUploads } from './uploads.js';
import { S3Writer } from './writer.js';
import type { ByteRange, Storage, StorageWriter, StoredFile } from '../storage.js';

export async function openS3(location: S3Location, env: Environment, options: S3Options): Promise<Storage> {
  return new S3Storage(new S3Bucket(await createS3Client(env, options), location));
}

/** How often a write that another one crossed is tried again. */
const conflictsBorne = 4;

/** A bucket of any service that speaks S3, with a prefix in the place of a folder. */
class S3Storage implements Storage {
  readonly location: string;
  readonly remote = true;
  readonly #bucket: S3Bucket;

  constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
    this.location = bucket.location;
  }

  pathOf(name: string): string {
    return `${this.location}/${name}`;
  }

  async *list(signal: AbortSignal): AsyncGenerator<StoredFile> {
    const { folder } = this.#bucket;
    const objects = listObjects(this.#bucket, signal);
    for await (const { Key = '', Size = 0, LastModified = new Date(0) } of objects) {
      const name = Key.slice(folder.length);
      // Consoles make an object of the folder's own name to show an empty folder. Some servers list other folders too.
      if (!Key.startsWith(folder) || name === '' || name.includes('/')) continue;
      yield { name, size: Size, modifiedAt: LastModified };
    }
  }

  async *read(name: string, signal: AbortSignal, range?: ByteRange): AsyncGenerator<Buffer> {
    refuseBadName(name);
    yield* readObject(this.#bucket, name, range ?? { start: 0, end: Infinity }, signal);
  }

  async create(name: string, signal: AbortSignal): Promise<StorageWriter> {
    refuseBadName(name);
    if (await this.#isThere(name, signal)) throw fileExists(this.location, name);
    return new S3Writer(this.#bucket, name, signal);
  }

  async put(name: string, content: Buffer, signal: AbortSignal): Promise<void> {
    refuseBadName(name);
    await this.#bucket.ask((options) => this.#put(name, content, options), signal);
  }

  /**
   * By `If-None-Match`. Servers that do not know it say so, or write all the same; which of both is found out by
   * a second try that must fail. There the last writer wins, and everybody looks a moment later who that was.
   */
  async putIfAbsent(name: string, content: Buffer, signal: AbortSignal): Promise<boolean> {
    refuseBadName(name);
    if (await this.#isThere(name, signal)) return false;
    const first = await this.#putIfNone(name, content, signal);
    if (first === 'taken') return false;
    if (first === 'written' && (await this.#putIfNone(name, content, signal)) === 'taken') return true;
    if (first === 'unknown') await this.put(name, content, signal);
    await setTimeout(settleMs, undefined, { signal }).catch(() => undefined);
    return this.#holds(name, content, signal);
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    refuseBadName(name);
    const { client } = this.#bucket;
    const remove = new DeleteObjectCommand(this.#bucket.object(name));
    await this.#bucket.ask((options) => client.send(remove, options), signal);
  }

  /** Parts of an upload that never ended are listed nowhere, but paid for. */
  async removeUnfinished(before: Date, signal: AbortSignal): Promise<void> {
    const { folder } = this.#bucket;
    for await (const { Key = '', UploadId, Initiated } of listUploads(this.#bucket, signal)) {
      const isOurs = Key.startsWith(folder) && /^[^/]+\.(sferry|db)$/.test(Key.slice(folder.length));
      if (!isOurs || Initiated === undefined || Initiated >= before) continue;
      const object = this.#bucket.object(Key.slice(folder.length));
      await giveUp(this.#bucket, { ...object, UploadId }, signal);
    }
  }

  /** False too where the credentials may not ask: those that may only write are the safest for a backup. */
  async #isThere(name: string, signal: AbortSignal): Promise<boolean> {
    const command = new HeadObjectCommand(this.#bucket.object(name));
    return this.#bucket.ask(async (options) => {
      try {
        await this.#bucket.client.send(command, options);
        return true;
      } catch (error) {
        if (isNotFound(error) || requestFault(error).status === 403) return false;
        throw error;
      }
    }, signal);
  }

  #put(name: string, content: Buffer, options: RequestOptions, IfNoneMatch?: string) {
    const condition = IfNoneMatch === undefined ? {} : { IfNoneMatch };
    return this.#bucket.sendBody(content, (body) =>
      this.#bucket.client.send(
        new PutObjectCommand({ ...this.#bucket.object(name), ...body, ...condition }),
        options,
      ),
    );
  }

  async #putIfNone(
    name: string,
    content: Buffer,
    signal: AbortSignal,
  ): Promise<'written' | 'taken' | 'unknown'> {
    return this.#bucket.ask(async (options) => {
      for (let conflicts = 0; ;) {
        try {
          await this.#put(name, content, options, '*');
          return 'written';
        } catch (error) {
          const { name: fault, status, attempts } = requestFault(error);
          // Said of the condition, or of something else, which a write without one then meets too.
          if (fault === 'NotImplemented' || [400, 405, 501].includes(status ?? 0)) return 'unknown';
          // Another one is writing at this very moment.
          if (status === 409 && conflicts++ < conflictsBorne) continue;
          if (status !== 412) throw error;
          // An answer that was lost is asked for again, and the second time it is our own file that is there.
          return attempts > 1 && (await this.#holds(name, content, signal)) ? 'written' : 'taken';
        }
      }
    }, signal);
  }

  async #holds(name: string, content: Buffer, signal: AbortSignal): Promise<boolean> {
    return (await buffer(this.read(name, signal))).equals(content);
  }
}

/** Longer than two requests that began at the same time take to arrive one after the other. */
const settleMs = 2000;
