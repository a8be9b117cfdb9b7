import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import { Etcd3 } from 'etcd3';
import { expect, onTestFinished, test } from 'vitest';
import { encodeUser, readAuth } from '../../../src/etcd-files/mvcc/auth-records.js';
import { openDataDirectory } from '../../../src/etcd-files/data-directory/data-directory.js';
import { openDb } from '../../../src/etcd-files/mvcc/store-file.js';
import type { EtcdClient } from '../../../src/etcd/client.js';
import { etcdBinaries, etcdVersions, startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { writeColdSnapshot } from '../cold-writer.js';
import { readBuckets } from '../page-account.js';
import { RandomRequests, send } from './random-requests.js';
import { contentsAtRest, contentsOf } from '../../support/store-contents.js';

const passwords = { root: 'root-password', alice: 'alice-password', bob: 'bob-password' };

function folderOfTest(): string {
  const folder = mkdtempSync(join(tmpdir(), 'replay-auth-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  return folder;
}

function rawClient(etcd: RunningEtcd, user?: keyof typeof passwords): Etcd3 {
  const auth = user && { auth: { username: user, password: passwords[user] } };
  const client = new Etcd3({ hosts: etcd.endpoint, ...auth });
  onTestFinished(() => {
    client.close();
  });
  return client;
}

/** Every request that changes users and roles, most of them twice, of which etcd refuses one. */
async function changeUsersAndRoles({ auth }: EtcdClient): Promise<void> {
  const refused = (call: Promise<unknown>): Promise<unknown> => expect(call).rejects.toThrow();
  await auth.addRole('root');
  for (const role of ['some', 'few', 'gone']) await auth.addRole(role);
  await refused(auth.addRole('few'));
  await auth.addUser('root', 'first-password');
  await auth.grantRole('root', 'root');
  await auth.changePassword('root', passwords.root);
  await auth.addUser('alice', passwords.alice);
  await auth.addUser('bob', passwords.bob);
  await auth.addUser('carol', 'carol-password');
  await auth.addUser('nopassword', undefined);
  await refused(auth.addUser('bob', 'another'));
  await auth.grantRole('alice', 'some');
  await auth.grantRole('alice', 'gone');
  await auth.grantRole('bob', 'few');
  await refused(auth.grantRole('bob', 'none'));
  // Keys of the random requests: `/k/` and one of few names.
  await auth.grantPermission('some', {
    access: 'readwrite',
    key: Buffer.from('/k/a'),
    end: Buffer.from('/k/c'),
  });
  await auth.grantPermission('some', {
    access: 'readwrite',
    key: Buffer.from('/k/c'),
    end: Buffer.from('/k/z'),
  });
  await auth.grantPermission('few', { access: 'read', key: Buffer.from('/k/'), end: Buffer.from('/k0') });
  await auth.grantPermission('few', { access: 'write', key: Buffer.from('/k/a') });
  await auth.grantPermission('few', { access: 'readwrite', key: Buffer.from('/k/b') });
  await auth.grantPermission('gone', { access: 'readwrite', key: Buffer.of(0), end: Buffer.of(0) });
  await auth.revokePermission('few', { key: Buffer.from('/k/b') });
  await refused(auth.revokePermission('few', { key: Buffer.from('/k/b') }));
  await auth.deleteRole('gone');
  await auth.deleteUser('carol');
  await auth.grantRole('nopassword', 'few');
  await auth.revokeRole('nopassword', 'few');
  await auth.enable();
}

/** The buckets of users and roles, but for the hashes: up to 3.5 each member salts its own. */
function authOf(path: string): object {
  const { auth, authRoles } = readBuckets(path);
  const db = openDb(path, {});
  const users = [...readAuth(db.bbolt).users].map(([name, user]) => {
    const password = Object.values(passwords).find((word) =>
      bcrypt.compareSync(word, user.password.toString()),
    );
    return encodeUser(name, { ...user, password: Buffer.from(password ?? 'none') }).toString();
  });
  db.close();
  return { auth, authRoles, users };
}

test.each(etcdVersions)(
  'what etcd %s lets users do, and what it refuses them, is known from a log that alone knows the users',
  async (version) => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    // Older releases let nested transactions pass unseen; and when etcd replays, it leaves out reads, and what they
    // would have been refused for.
    const requests = new RandomRequests(seed, 'writes');
    // With commits to the db file this rare, all of it is in the WAL alone.
    const flags = ['--backend-batch-interval=1h', '--backend-batch-limit=1000000'];
    const etcd = await startEtcd({ version, flags, until: 'test' });
    const anyone = rawClient(etcd);
    await send(anyone, requests, 60);
    await changeUsersAndRoles(await etcd.connect());
    const root = rawClient(etcd, 'root');
    const clients = [rawClient(etcd, 'alice'), root, rawClient(etcd, 'bob'), anyone];
    for (let i = 0; i < 240; i += 1) await send(clients[i % 4]!, requests, 1);
    await root.role('late').create();
    for (let i = 0; i < 40; i += 1) await send(clients[i % 4]!, requests, 1);
    for (let i = 0; i < 10; i++) await root.kv.put({ key: Buffer.from('/k/last'), value: Buffer.of(i) });
    const told = await contentsOf(root);
    const member = etcd.members[0]!;
    await member.kill();

    const folder = folderOfTest();
    const cold = join(folder, 'cold.db');
    const store = openDataDirectory(member.dataDir);
    expect(contentsAtRest(store), `seed ${seed}`).toEqual(told);
    expect(store).toMatchObject({ authEnabled: true, roles: ['few', 'late', 'root', 'some'] });
    expect(store.users).toEqual(['alice', 'bob', 'nopassword', 'root']);
    expect([...store.replayed.passedOver.keys()].join()).not.toMatch(/field \d/);
    store.close();
    writeColdSnapshot(member.dataDir, cold);
    await member.start();
    expect(await contentsOf(root), `etcd itself, seed ${seed}`).toEqual(told);
    const own = join(folder, 'own.db');
    const login = ['--user=root', `--password=${passwords.root}`];
    execFileSync(etcd.binaries.etcdctl, [`--endpoints=${etcd.endpoint}`, ...login, 'snapshot', 'save', own], {
      env: { ETCDCTL_API: '3' },
      stdio: 'pipe',
      timeout: 60_000,
    });
    expect(authOf(cold)).toEqual(authOf(own));
    await etcd.stop();
    await restoresWithUsers(version, cold, folder);
  },
  180_000,
);

async function restoresWithUsers(version: string, cold: string, folder: string): Promise<void> {
  const dataDir = join(folder, 'restored');
  const { etcdutl, etcdctl } = etcdBinaries(version);
  execFileSync(etcdutl ?? etcdctl, ['snapshot', 'restore', cold, `--data-dir=${dataDir}`], {
    env: { ETCDCTL_API: '3' },
    stdio: 'pipe',
    timeout: 60_000,
  });
  const etcd = await startEtcd({ version, existing: { dataDir }, forceNewCluster: true, until: 'test' });
  for (const username of ['root', 'alice', 'bob'] as const) {
    const client = await etcd.connect();
    const password = passwords[username];
    expect(await client.auth.authenticates({ username, password }), username).toBe(true);
    expect(await client.auth.authenticates({ username, password: 'first-password' }), username).toBe(false);
  }
  const client = await etcd.connect({ credentials: { username: 'root', password: passwords.root } });
  expect(await client.auth.enabled()).toBe(true);
  expect(await client.auth.userRoles('alice')).toEqual(['some']);
}
