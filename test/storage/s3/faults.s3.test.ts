import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Environment } from '../../../src/core/context.js';
import { createAuthority, writeCertifiedKey } from '../../../src/etcd/throwaway/certificates.js';
import { freePorts } from '../../../src/etcd/throwaway/free-ports.js';
import { takeLock } from '../../../src/snapshot/keep/lock.js';
import { openStorage } from '../../../src/storage/open.js';
import { silentContext } from '../../support/silent-context.js';
import { startS3Server, type S3Server } from '../../support/s3-server.js';
import { contentOf, namesIn, write } from '../contract.js';
import { oddServer } from './odd-server.js';
import { cuttingProxy, restartedProxy, uploadCuttingProxy } from './doubles.js';

const { signal } = new AbortController();

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
  await server.addBucket('backups');
});
afterAll(() => server.stop());

/** Every way to use a storage must say the same of what is wrong with all of it. */
async function expectEverywhere(location: string, env: Environment, failure: object): Promise<void> {
  const storage = await openStorage(location, env);
  const named = { message: expect.stringContaining(location) as string, ...failure };
  await expect(namesIn(storage)).rejects.toMatchObject(named);
  await expect(storage.put('file', Buffer.from('x'), signal)).rejects.toMatchObject(named);
  await expect(write(storage, 'file', [Buffer.alloc(9_000_000)])).rejects.toMatchObject(named);
  await expect(storage.removeUnfinished(new Date(), signal)).rejects.toMatchObject(named);
}

describe('a bucket that cannot be used', () => {
  it('is named when it does not exist', () =>
    expectEverywhere('s3://nowhere/sensu', server.env, { kind: 'usage', code: 'S3_BUCKET_MISSING' }));

  it('is denied with a wrong secret', () =>
    expectEverywhere(
      's3://backups',
      { ...server.env, AWS_SECRET_ACCESS_KEY: 'wrong' },
      {
        kind: 'denied',
        code: 'S3_CREDENTIALS_REFUSED',
        message: expect.not.stringContaining('wrong') as string,
      },
    ));

  it('is unreachable when nobody listens', async () => {
    const [port] = await freePorts(1);
    const env = { ...server.env, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` };
    const storage = await openStorage('s3://backups', env);
    await expect(namesIn(storage)).rejects.toMatchObject({ kind: 'unreachable', code: 'S3_UNREACHABLE' });
  });

  it.each(['ftp://host', 'nonsense', 'https://key:secret@host'])('%s is no endpoint', async (endpoint) => {
    const opening = openStorage('s3://backups', server.env, { endpoint });
    await expect(opening).rejects.toMatchObject({
      code: 'S3_ENDPOINT_UNUSABLE',
      message: expect.not.stringContaining('secret') as string,
    });
  });
});

describe('a server with a certificate of an own CA', () => {
  it('is trusted by AWS_CA_BUNDLE only', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-s3-tls-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const authority = await createAuthority('test CA');
    const files = await writeCertifiedKey(folder, 'server', await authority.issueServer(['127.0.0.1']));
    const bundle = join(folder, 'ca.pem');
    await writeFile(bundle, authority.ca);
    const secure = await startS3Server({ tls: files });
    onTestFinished(() => secure.stop());
    await secure.addBucket('backups');
    const trusting = await openStorage('s3://backups', { ...secure.env, AWS_CA_BUNDLE: bundle });
    await trusting.put('file', Buffer.from('x'), signal);
    expect(await namesIn(trusting)).toEqual(['file']);
    const careful = await openStorage('s3://backups', secure.env);
    await expect(namesIn(careful)).rejects.toMatchObject({ kind: 'unreachable', code: 'S3_NOT_TRUSTED' });
    const opening = openStorage('s3://backups', { ...secure.env, AWS_CA_BUNDLE: join(folder, 'none.pem') });
    await expect(opening).rejects.toMatchObject({ code: 'CA_BUNDLE_UNREADABLE' });
  });
});

describe('a connection that breaks', () => {
  it('in the middle of a download, is made anew from there on', async () => {
    const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));
    await write(await openStorage('s3://backups/cut', server.env), 'file', [content]);
    const proxy = await cuttingProxy(server.endpoint, 1_000_000);
    onTestFinished(() => proxy.stop());
    const storage = await openStorage('s3://backups/cut', {
      ...server.env,
      AWS_ENDPOINT_URL: proxy.endpoint,
    });
    expect((await contentOf(storage, 'file')).equals(content)).toBe(true);
    expect((await contentOf(storage, 'file', [5, 2_500_000])).equals(content.subarray(5, 2_500_000))).toBe(
      true,
    );
    expect(proxy.cuts()).toBeGreaterThanOrEqual(4);
  });
});

describe('an upload that breaks', () => {
  it('sends the part again', async () => {
    const content = Buffer.from(Array.from({ length: 20_000_000 }, (_, index) => index % 241));
    const proxy = await uploadCuttingProxy(server.endpoint, 5_000_000, 3);
    onTestFinished(() => proxy.stop());
    const env = { ...server.env, AWS_ENDPOINT_URL: proxy.endpoint };
    await write(await openStorage('s3://backups/again', env), 'file', [content]);
    expect(proxy.cuts()).toBe(3);
    const direct = await openStorage('s3://backups/again', server.env);
    expect((await contentOf(direct, 'file')).equals(content)).toBe(true);
  });
});

describe('a server that is started anew in the middle of an upload', () => {
  it('does not end the upload', async () => {
    const content = Buffer.alloc(20_000_000, 'sensu');
    const proxy = await restartedProxy(server.endpoint, 10_000_000, 3000);
    onTestFinished(() => proxy.stop());
    const env = { ...server.env, AWS_ENDPOINT_URL: proxy.endpoint };
    await write(await openStorage('s3://backups/restarted', env), 'file', [content]);
    const direct = await openStorage('s3://backups/restarted', server.env);
    expect((await contentOf(direct, 'file')).equals(content)).toBe(true);
  });
});

describe('a server to which If-None-Match means nothing', () => {
  const oddities = ['ignored', 'refused with 400', 'refused with 405', 'refused with 501'] as const;

  it.each(oddities)('(%s), lets one of several have the lock', async (conditions) => {
    const forgetful = await oddServer({ conditions });
    onTestFinished(() => forgetful.stop());
    const storage = await openStorage('s3://backups', {
      ...server.env,
      AWS_ENDPOINT_URL: forgetful.endpoint,
    });
    const tries = ['one', 'two', 'three'];
    const won = await Promise.all(
      tries.map((text) => storage.putIfAbsent('lock', Buffer.from(text), signal)),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(String(await contentOf(storage, 'lock'))).toBe(tries[won.indexOf(true)]);
    expect(await storage.putIfAbsent('lock', Buffer.from('late'), signal)).toBe(false);
  });

  it.each(oddities)('(%s): one run at a time has the lock', async (conditions) => {
    const forgetful = await oddServer({ conditions });
    onTestFinished(() => forgetful.stop());
    const env = { ...server.env, AWS_ENDPOINT_URL: forgetful.endpoint };
    const storage = await openStorage('s3://backups', env);
    const context = silentContext();
    const tries = await Promise.allSettled([1, 2, 3].map(() => takeLock(context, storage)));
    const holders = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(holders.length).toBeLessThanOrEqual(1);
    for (const one of tries) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'LOCKED' });
    }
    const [holder = await takeLock(context, storage)] = holders;
    await expect(takeLock(context, storage)).rejects.toMatchObject({ code: 'LOCKED' });
    await holder.release();
    expect(await namesIn(storage)).toEqual([]);
  });
});
