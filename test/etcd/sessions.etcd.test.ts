import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import { openLiveView } from '../../src/etcd/live-view.js';
import type { LeaseId } from '../../src/store/view.js';
import { enableAuth, etcdVersions, startEtcd } from '../support/etcd.js';

const key = Buffer.from('/sensu.io/key');
const read = (client: EtcdClient): Promise<unknown> => client.range({ start: key });
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Flags for JWT tokens, which hold the revision of users and roles and are void after any change of them. */
async function jwtFlags(): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'jwt-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const paths = { public: join(folder, 'public.pem'), private: join(folder, 'private.pem') };
  await writeFile(paths.public, publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(paths.private, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return [`--auth-token=jwt,pub-key=${paths.public},priv-key=${paths.private},sign-method=RS256,ttl=10m`];
}

describe.each(etcdVersions)('sessions with etcd %s', (version) => {
  // etcd3 knows one of the three messages with which etcd ends a session; this is another.
  test('a JWT that a change of roles has made void is renewed, for many requests at once', async () => {
    const etcd = await startEtcd({ version, flags: await jwtFlags(), until: 'test' });
    const credentials = await enableAuth(etcd);
    const [client, other] = [await etcd.connect({ credentials }), await etcd.connect({ credentials })];
    await read(client);
    await other.auth.addRole('changes-the-revision');
    await Promise.all(Array.from({ length: 40 }, () => read(client)));
    await other.auth.addRole('changes-it-again');
    expect((await client.txn({ writes: [{ type: 'put', key, value: key }] })).succeeded).toBe(true);
  });

  test('a token that has run out is renewed, also before a stream is opened', async () => {
    const etcd = await startEtcd({ version, flags: ['--auth-token-ttl=1'], until: 'test' });
    const client = await etcd.connect({ credentials: await enableAuth(etcd) });
    await read(client);
    await sleep(2500);
    await read(client);
    await sleep(2500);
    let size = 0;
    for await (const part of client.snapshot(etcd.endpoint)) size += part.length;
    expect(size % 512).toBe(32);
  });

  test('a member that was restarted has forgotten its tokens; they are renewed', async () => {
    const etcd = await startEtcd({ version, until: 'test' });
    const client = await etcd.connect({ credentials: await enableAuth(etcd) });
    await read(client);
    await etcd.members[0]!.stop();
    await etcd.members[0]!.start();
    await read(client);
    expect((await client.txn({ writes: [{ type: 'put', key, value: key }] })).succeeded).toBe(true);
  });

  // etcd3 passes the metadata where the request belongs: its snapshot never carries the token.
  test('a snapshot works with auth, where that of etcd3 is refused', async () => {
    const etcd = await startEtcd({ version, until: 'test' });
    const credentials = await enableAuth(etcd);
    const stock = new Etcd3({ hosts: etcd.endpoint, auth: credentials });
    onTestFinished(() => {
      stock.close();
    });
    const stream = (await stock.maintenance.snapshot()) as unknown as NodeJS.ReadableStream;
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow('user name is empty');
    const client = await etcd.connect({ credentials });
    let size = 0;
    for await (const part of client.snapshot(etcd.endpoint)) size += part.length;
    expect(size % 512).toBe(32);
    const anonymous = await etcd.connect();
    await expect(anonymous.snapshot(etcd.endpoint)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      kind: 'denied',
    });
  });

  test('whether auth is on can be asked with no, wrong, lesser and right credentials', async () => {
    const etcd = await startEtcd({ version, until: 'test' });
    const anonymous = await etcd.connect();
    expect(await anonymous.auth.enabled()).toBe(false);
    await anonymous.auth.addUser('sensu', 'sensu-password');
    const credentials = await enableAuth(etcd);
    expect(await anonymous.auth.enabled()).toBe(true);
    const sensu = { username: 'sensu', password: 'sensu-password' };
    for (const known of [credentials, sensu]) {
      const client = await etcd.connect({ credentials: known });
      expect(await client.auth.enabled()).toBe(true);
      expect(await client.auth.authenticates(sensu)).toBe(true);
      expect(await client.auth.authenticates({ ...sensu, password: 'wrong' })).toBe(false);
    }
    const root = await etcd.connect({ credentials });
    await root.auth.disable();
    expect(await root.auth.enabled()).toBe(false);
  });

  test('users and roles are made, listed and taken away', async () => {
    const etcd = await startEtcd({ version, until: 'test' });
    const { auth } = await etcd.connect({ credentials: await enableAuth(etcd) });
    await auth.addUser('sensu', 'one');
    await auth.addUser('by-certificate', undefined);
    await auth.addRole('reader');
    await auth.grantRole('sensu', 'reader');
    const [one, prefix, fromKey] = [
      { access: 'read', key: Buffer.from('/sensu.io') },
      { access: 'readwrite', key: Buffer.from('/sensu.io/'), end: Buffer.from('/sensu.io0') },
      { access: 'write', key: Buffer.from('/x/'), end: Buffer.of(0) },
    ] as const;
    for (const permission of [one, prefix, fromKey]) await auth.grantPermission('reader', permission);
    expect(await auth.rolePermissions('reader')).toEqual(expect.arrayContaining([one, prefix, fromKey]));
    // `Role.revoke` of etcd3 grants when it is given a list.
    await auth.revokePermission('reader', prefix);
    expect(await auth.rolePermissions('reader')).toEqual([one, fromKey]);
    expect(await auth.users()).toEqual(expect.arrayContaining(['root', 'sensu', 'by-certificate']));
    expect(await auth.roles()).toEqual(expect.arrayContaining(['root', 'reader']));
    expect(await auth.userRoles('sensu')).toEqual(['reader']);
    expect(await auth.userRoles('nobody')).toBeUndefined();
    expect(await auth.rolePermissions('nothing')).toBeUndefined();
    await auth.changePassword('sensu', 'two');
    expect(await auth.authenticates({ username: 'sensu', password: 'one' })).toBe(false);
    expect(await auth.authenticates({ username: 'sensu', password: 'two' })).toBe(true);
    expect(await auth.authenticates({ username: 'by-certificate', password: '' })).toBe(false);
    await auth.revokeRole('sensu', 'reader');
    expect(await auth.userRoles('sensu')).toEqual([]);
    await auth.deleteRole('reader');
    await auth.deleteUser('sensu');
    expect(await auth.users()).not.toContain('sensu');
    expect(await auth.roles()).not.toContain('reader');
  });

  test('auth is not enabled without root, in words', async () => {
    const etcd = await startEtcd({ version, until: 'test' });
    const client = await etcd.connect();
    await expect(client.auth.enable()).rejects.toMatchObject({ kind: 'refused', code: 'ETCD_ROOT_MISSING' });
  });

  test('a user without root reads its keys and leases, and is refused the rest in words', async () => {
    const etcd = await startEtcd({ version, until: 'test' });
    const open = await etcd.connect();
    const [mine, foreign] = [11n as LeaseId, 12n as LeaseId];
    for (const id of [mine, foreign]) await open.grantLease({ id, ttl: 900n });
    await open.txn({
      writes: [
        { type: 'put', key, value: key, lease: mine },
        { type: 'put', key: Buffer.from('/other'), value: key, lease: foreign },
      ],
    });
    await open.auth.addUser('sensu', 'sensu-password');
    await open.auth.addRole('sensu');
    const granted = { key: Buffer.from('/sensu.io/'), end: Buffer.from('/sensu.io0') };
    await open.auth.grantPermission('sensu', { access: 'readwrite', ...granted });
    await open.auth.grantRole('sensu', 'sensu');
    await enableAuth(etcd);
    const client = await etcd.connect({ credentials: { username: 'sensu', password: 'sensu-password' } });
    const view = await openLiveView(client);
    // Asked for with its keys, a lease of a key that may not be read is refused; so is the list since 3.5.30.
    expect(await view.leases()).toContainEqual({ id: mine, ttl: 900n });
    await expect(client.range({ start: Buffer.from('/other') })).rejects.toMatchObject({
      kind: 'denied',
      code: 'ETCD_PERMISSION_DENIED',
    });
    await expect(client.snapshot(etcd.endpoint)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      kind: 'denied',
    });
  });
});

test.each(etcdVersions)('the CN of a client certificate is the user of etcd %s', async (version) => {
  const etcd = await startEtcd({ version, tls: 'client-cert', until: 'test' });
  const open = await etcd.connect();
  await open.auth.addUser('client', undefined);
  await open.auth.addRole('reader');
  await open.auth.grantPermission('reader', { access: 'read', key });
  await open.auth.grantRole('client', 'reader');
  await enableAuth(etcd);
  const single = { start: key, end: Buffer.concat([key, Buffer.of(0)]) };
  const client = await etcd.connect();
  expect((await client.range(single)).entries).toEqual([]);
  await expect(client.range({ start: Buffer.from('/other') })).rejects.toMatchObject({ kind: 'denied' });
});
