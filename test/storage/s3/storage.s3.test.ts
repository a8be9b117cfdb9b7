import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage } from '../../../src/storage/open.js';
import { createS3Client } from '../../../src/storage/s3/client.js';
import type { StorageWriter } from '../../../src/storage/storage.js';
import { startS3Server, type S3Server } from '../../support/s3-server.js';
import { itKeepsTheContract, namesIn } from '../contract.js';

const { signal } = new AbortController();

let server: S3Server;
let count = 0;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.stop());

async function newBucket(): Promise<string> {
  const name = `bucket-${count++}`;
  await server.addBucket(name);
  return `s3://${name}`;
}

describe('a bucket', () => {
  itKeepsTheContract(async () => openStorage(await newBucket(), server.env));
});

describe('a prefix in a bucket', () => {
  itKeepsTheContract(async () => openStorage(`${await newBucket()}/backups/sensu`, server.env));

  it('shows nothing of what lies beside it or below it', async () => {
    const bucket = await newBucket();
    const [top, sensu, other] = await Promise.all(
      [bucket, `${bucket}/sensu`, `${bucket}/sensu/older`].map((location) =>
        openStorage(location, server.env),
      ),
    );
    for (const storage of [top, sensu, other]) await storage!.put('file', Buffer.from('x'), signal);
    await openStorage(`${bucket}/sensu-2`, server.env).then((beside) =>
      beside.put('beside', Buffer.from('x'), signal),
    );
    expect(await namesIn(sensu!)).toEqual(['file']);
    await sensu!.remove('file', signal);
    expect(await namesIn(other!)).toEqual(['file']);
    expect(await namesIn(top!)).toEqual(['file']);
  });

  it('lists more files than one answer holds', async () => {
    const storage = await openStorage(`${await newBucket()}/many`, server.env);
    const names = Array.from({ length: 1001 }, (_, index) => `file-${String(index).padStart(4, '0')}`);
    for (let at = 0; at < names.length; at += 8) {
      await Promise.all(names.slice(at, at + 8).map((name) => storage.put(name, Buffer.alloc(0), signal)));
    }
    expect(await namesIn(storage)).toEqual(names);
  });
});

describe('parts of an upload', () => {
  async function uploadsIn(bucket: string): Promise<string[]> {
    const client = await createS3Client(server.env, {});
    const command = new ListMultipartUploadsCommand({ Bucket: bucket.slice('s3://'.length) });
    const { Uploads = [] } = await client.send(command);
    return Uploads.map(({ Key }) => Key!);
  }

  async function upload(location: string, name: string): Promise<StorageWriter> {
    const writer = await (await openStorage(location, server.env)).create(name, signal);
    for (let i = 0; i < 5; i += 1) await writer.write(Buffer.alloc(4_000_000));
    return writer;
  }

  it('do not stay, in parts that nobody lists but everybody pays, when it is given up', async () => {
    const bucket = await newBucket();
    const writer = await upload(bucket, 'given-up.sferry');
    expect(await uploadsIn(bucket)).toEqual(['given-up.sferry']);
    await writer.abort();
    expect(await uploadsIn(bucket)).toEqual([]);
  });

  it('of other programs and of other folders are nothing to us', async () => {
    const bucket = await newBucket();
    const [top, below, foreign] = await Promise.all([
      upload(bucket, 'ours.sferry'),
      upload(`${bucket}/below`, 'ours.sferry'),
      upload(bucket, 'foreign.iso'),
    ]);
    const storage = await openStorage(bucket, server.env);
    await storage.removeUnfinished(new Date(Date.now() + 3_600_000), signal);
    expect((await uploadsIn(bucket)).sort()).toEqual(['below/ours.sferry', 'foreign.iso']);
    await Promise.all([top.abort(), below.abort(), foreign.abort()]);
  });
});
