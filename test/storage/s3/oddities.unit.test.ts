import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { takeLock } from '../../../src/snapshot/keep/lock.js';
import { prepareDestination } from '../../../src/snapshot/save/prepare-destination.js';
import { openStorage } from '../../../src/storage/open.js';
import type { Storage } from '../../../src/storage/storage.js';
import { silentContext } from '../../support/silent-context.js';
import { contentOf, namesIn, write } from '../contract.js';
import { oddServer, type Oddities, type OddServer } from './odd-server.js';

const { signal } = new AbortController();

async function bucketOf(
  oddities: Oddities,
): Promise<{ readonly server: OddServer; readonly storage: Storage }> {
  const server = await oddServer(oddities);
  onTestFinished(() => server.stop());
  return { server, storage: await openStorage('s3://backups', server.env) };
}

describe('a server whose pages', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];

  async function filled(pages: NonNullable<Oddities['pages']>): Promise<Storage> {
    const { storage } = await bucketOf({ pages });
    for (const name of names) await storage.put(name, Buffer.from(name), signal);
    return storage;
  }

  it('have no tokens is asked for the next one by key', async () => {
    expect(await namesIn(await filled('go on behind a key'))).toEqual(names);
  });

  it.each(['say nothing', 'are all the first', 'never end'] as const)(
    '%s: a part of its list does not pass for the whole',
    async (pages) => {
      await expect(namesIn(await filled(pages))).rejects.toMatchObject({
        kind: 'failed',
        code: 'S3_LIST_INCOMPLETE',
      });
    },
  );
});

describe('a list without end', () => {
  it('does not fill the memory', async () => {
    const { storage } = await bucketOf({ pages: 'are one without end' });
    await expect(namesIn(storage)).rejects.toMatchObject({ kind: 'failed', code: 'S3_ANSWER_TOO_LARGE' });
  });
});

describe('a server whose list lacks what was just written', () => {
  async function forgetful(): Promise<Storage> {
    return (await bucketOf({ pages: 'lack what was written' })).storage;
  }

  const failure = {
    kind: 'failed',
    code: 'S3_LIST_INCOMPLETE',
    message: expect.stringContaining('sensu-ferry.lock.1') as string,
  };

  it('is named, and not taken for another run; nothing stays behind', async () => {
    const storage = await forgetful();
    await expect(takeLock(silentContext(), storage)).rejects.toMatchObject(failure);
    await expect(contentOf(storage, 'sensu-ferry.lock.1')).rejects.toMatchObject({
      code: 'STORED_FILE_MISSING',
    });
  });

  it('is named too where a killed run has left a lock there', async () => {
    const storage = await forgetful();
    await storage.put('sensu-ferry.lock.1', Buffer.from('{}'), signal);
    await expect(takeLock(silentContext(), storage)).rejects.toMatchObject(failure);
  });
});

describe('what is not the list of a bucket', () => {
  it.each(['are of all buckets', 'are of the web', 'are empty'] as const)(
    '(pages %s) does not pass for an empty one',
    async (pages) => {
      const { storage } = await bucketOf({ pages });
      await expect(namesIn(storage)).rejects.toMatchObject({
        kind: 'failed',
        code: 'S3_ANSWER_STRANGE',
        message: expect.not.stringContaining('$response') as string,
        hint: expect.stringContaining('web console') as string,
      });
    },
  );

  it('of other folders is passed over', async () => {
    const { server, storage } = await bucketOf({});
    const other = await openStorage('s3://backups/other', server.env);
    await other.put('theirs', Buffer.from('x'), signal);
    await storage.put('ours', Buffer.from('x'), signal);
    expect(await namesIn(storage)).toEqual(['ours']);
    expect(await namesIn(await openStorage('s3://backups/sensu', server.env))).toEqual([]);
  });
});

describe('a server that lists no uploads', () => {
  const refusals = ['refused with 403', 'refused with 405', 'refused with 500', 'refused with 501'] as const;

  it.each([...refusals, 'listed without end'] as const)(
    '(%s) takes a backup all the same',
    async (uploads) => {
      const { storage } = await bucketOf({ uploads });
      await prepareDestination(silentContext(), storage);
    },
  );
});

describe('an upload', () => {
  it('that the server gives no name has no parts that could be put together', async () => {
    const { storage } = await bucketOf({ uploads: 'without a name' });
    await expect(write(storage, 'large.sferry', [Buffer.alloc(9_000_000)])).rejects.toMatchObject({
      kind: 'failed',
      code: 'S3_ANSWER_STRANGE',
    });
  });

  it('does not wait for the leave of the server', async () => {
    const { server, storage } = await bucketOf({ expectations: 'refused' });
    await write(storage, 'large.sferry', [Buffer.alloc(9_000_000)]);
    expect([...server.objects.keys()].sort()).toEqual(['/backups/large.sferry?1', '/backups/large.sferry?2']);
  });
});

describe('a server that gives no part of an object', () => {
  const content = Buffer.from('0123456789');

  it.each(['ignored', 'of other bytes'] as const)('(%s): other bytes do not pass for it', async (ranges) => {
    const { storage } = await bucketOf({ ranges });
    await storage.put('file', content, signal);
    await expect(contentOf(storage, 'file', [4, 8])).rejects.toMatchObject({
      kind: 'failed',
      code: 'S3_RANGE_IGNORED',
    });
    expect(String(await contentOf(storage, 'file'))).toBe('0123456789');
  });

  it('but all of it is read to where the part ends', async () => {
    const { storage } = await bucketOf({ ranges: 'ignored' });
    await storage.put('file', content, signal);
    expect(String(await contentOf(storage, 'file', [0, 4]))).toBe('0123');
  });

  it('but goes on for ever is left there', async () => {
    const { storage } = await bucketOf({ ranges: 'without end' });
    await storage.put('file', content, signal);
    expect(String(await contentOf(storage, 'file', [4, 8]))).toBe('4567');
    expect(String(await contentOf(storage, 'file', [4, 800]))).toBe('456789');
  });
});

describe('a bucket with a default retention', () => {
  it('gets the digest that it wants, of small objects and of parts', async () => {
    const { server, storage } = await bucketOf({ digests: 'wanted' });
    await storage.put('small', Buffer.from('x'), signal);
    expect(await storage.putIfAbsent('lock', Buffer.from('x'), signal)).toBe(true);
    await write(storage, 'large.sferry', [Buffer.alloc(9_000_000)]);
    expect([...server.objects.keys()].sort()).toEqual([
      '/backups/large.sferry?1',
      '/backups/large.sferry?2',
      '/backups/lock',
      '/backups/small',
    ]);
  });

  it('is asked without one where the server knows none', async () => {
    const { server, storage } = await bucketOf({ digests: 'refused' });
    const content = Buffer.alloc(9_000_000, 'sensu');
    await write(storage, 'large.sferry', [content]);
    expect(await storage.putIfAbsent('lock', Buffer.from('x'), signal)).toBe(true);
    expect(await storage.putIfAbsent('lock', Buffer.from('y'), signal)).toBe(false);
    const parts = [1, 2].map((part) => server.objects.get(`/backups/large.sferry?${part}`)!);
    expect(hashOf(Buffer.concat(parts))).toBe(hashOf(content));
  });
});

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('a server that does not take the bucket in the path', () => {
  it('is quoted, and the option that helps is named', async () => {
    const { storage } = await bucketOf({ pathStyle: 'refused' });
    await expect(namesIn(storage)).rejects.toMatchObject({
      kind: 'usage',
      code: 'S3_PATH_REFUSED',
      message: expect.stringContaining('virtual hosted style') as string,
      hint: expect.stringContaining('--no-s3-path-style') as string,
    });
  });
});
