import { setMaxListeners } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage } from '../../src/storage/open.js';
import { startS3Server, type S3Server } from '../support/s3-server.js';
import { itKeepsTheContract, namesIn } from './contract.js';

const { signal } = new AbortController();
// Requests that are done let go of it a little later.
setMaxListeners(50, signal);

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
