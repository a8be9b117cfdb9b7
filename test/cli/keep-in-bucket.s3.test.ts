import { readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { takeLock } from '../../src/snapshot/keep/lock.js';
import { markVerified } from '../../src/snapshot/keep/catalog.js';
import { openStorage } from '../../src/storage/open.js';
import type { Storage } from '../../src/storage/storage.js';
import { silentContext } from '../support/silent-context.js';
import { snapshotFolder, writeStoredArchive } from '../support/stored-snapshots.js';
import { namesIn, write } from '../storage/contract.js';
import { startS3Server, type S3Server } from '../support/s3-server.js';
import { expectFailure, ferry, type Ended } from '../support/ferry.js';

let server: S3Server;

beforeAll(async () => {
  server = await startS3Server();
  await server.addBucket('backups');
});

afterAll(() => server.stop());

const context = silentContext();

const open = (prefix: string): Promise<Storage> => openStorage(`s3://backups/${prefix}`, server.env);

function snapshot(...args: readonly string[]): Promise<Ended> {
  return ferry(['snapshot', ...args], { env: server.env });
}

/** Oldest first, a day apart, the newest an hour old. */
async function upload(storage: Storage, count: number): Promise<readonly string[]> {
  const folder = snapshotFolder();
  const names: string[] = [];
  for (let day = count - 1; day >= 0; day -= 1) {
    const createdAt = new Date(Date.now() - (day * 24 + 1) * 3_600_000);
    const name = await writeStoredArchive(folder, { createdAt });
    await write(storage, name, [await readFile(join(folder, name))]);
    names.push(name);
  }
  return names;
}

it('lists, pins, checks and prunes in a bucket as in a folder', async () => {
  const storage = await open('nightly');
  const names = await upload(storage, 5);
  await markVerified(context, storage, names[0]!, {
    ...{ verifiedAt: new Date(), revision: 884n, digest: 'a'.repeat(64), tool: 'sensu-ferry 0.1.0' },
  });
  expect((await snapshot('pin', storage.location, names[1]!)).code).toBe(0);
  const listed = await snapshot('list', storage.location, '--json');
  expect(listed).toMatchObject({ code: 0, stderr: '' });
  const { snapshots } = JSON.parse(listed.stdout) as { snapshots: object[] };
  expect(snapshots).toMatchObject([
    ...[4, 3, 2].map((index) => ({ name: names[index], pinned: false })),
    { name: names[1], pinned: true },
    { name: names[0], verification: { revision: '884' } },
  ]);
  expect((await snapshot('check', storage.location)).stdout).toMatch(/^SNAPSHOT OK - /);
  const prune = ['prune', storage.location, '--keep-last', '1', '--yes', '--quiet'];
  expect(await snapshot(...prune)).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await namesIn(storage)).toEqual(
    [names[0], `${names[0]!}.verified.json`, names[1], `${names[1]!}.pinned`, names[4]].sort(),
  );
});

it('one run at a time works on a bucket', async () => {
  const storage = await open('locked');
  await upload(storage, 2);
  const prune = ['prune', storage.location, '--keep-last', '1', '--yes'];
  const lock = await takeLock(context, storage);
  expectFailure(await snapshot(...prune), 11, 'LOCKED');
  await lock.release();
  expect((await snapshot(...prune)).code).toBe(0);
  expect(await namesIn(storage)).toHaveLength(1);
});

it('of many that want a bucket one has it, also when it takes over a dead host’s lock', async () => {
  const storage = await open('wanted');
  const dead = {
    ...{ host: 'backup-2', pid: 1, startedAt: '1', pidSpace: 'of another machine' },
    ...{ since: new Date().toISOString(), token: 'dead' },
  };
  await storage.put('sensu-ferry.lock.1', Buffer.from(JSON.stringify(dead)), context.signal);
  const usual = await takeLock(context, storage).catch((error: unknown) => error);
  expect(usual).toMatchObject({ code: 'LOCKED', message: expect.stringContaining('backup-2') as string });
  const past = new Date(Date.now() - 16 * 60_000);
  await utimes(join(server.folder, 'backups', 'wanted', 'sensu-ferry.lock.1'), past, past);
  const takers = [1, 2, 3, 4].map(() => takeLock(context, storage));
  const taken = (await Promise.allSettled(takers)).filter(({ status }) => status === 'fulfilled');
  expect(taken).toHaveLength(1);
  expect(await namesIn(storage)).toEqual(['sensu-ferry.lock.2']);
});
