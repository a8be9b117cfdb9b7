import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Context } from '../../src/core/context.js';
import type { EtcdClient } from '../../src/etcd/client.js';
import type { Permission } from '../../src/etcd/facets/auth.js';
import { connect } from '../../src/etcd/connect.js';
import { applyRbac } from '../../src/rbac/apply.js';
import { grantWords } from '../../src/rbac/etcdctl-words.js';
import type { RbacPasswords, RbacPlan } from '../../src/rbac/plan-types.js';
import { findingsForBackends } from '../../src/rbac/findings-for-backends.js';
import { planRbac } from '../../src/rbac/plan.js';
import { profiles, wantedGrants, type Profile } from '../../src/rbac/wanted.js';
import type { Lease, LeaseId } from '../../src/store/view.js';
import { Cut, cutAt, intercepted } from './intercepted.js';
import { oldestAndNewestEtcd, startEtcd, type RunningEtcd } from '../support/etcd.js';

const quiet: Pick<Context, 'signal' | 'report'> = {
  signal: new AbortController().signal,
  report: { info: () => undefined, warn: () => undefined, progress: () => undefined },
};
const passwords: Required<RbacPasswords> = { root: 'root-secret', sensu: 'sensu-secret' };
const asRoot = { username: 'root', password: passwords.root };
const asSensu = { username: 'sensu', password: passwords.sensu };

describe.each(oldestAndNewestEtcd)('rbac on etcd %s', (version) => {
  let etcd: RunningEtcd;
  let client: EtcdClient;

  beforeEach(async () => {
    etcd = await startEtcd({ version });
    client = await connect({ endpoints: [etcd.endpoint] });
  });

  afterEach(async () => {
    await client.close();
    await etcd.stop();
  });

  async function relogin(credentials?: typeof asRoot): Promise<void> {
    await client.close();
    client = await connect({ endpoints: [etcd.endpoint], ...(credentials && { credentials }) });
  }

  const plan = (profile: Profile, enableAuth = false, given: RbacPasswords = passwords): Promise<RbacPlan> =>
    planRbac(client, { profile, enableAuth, passwords: given });

  async function converge(profile: Profile, enableAuth = false): Promise<RbacPlan> {
    const made = await plan(profile, enableAuth);
    await applyRbac(client, made, passwords);
    return made;
  }

  const held = async (): Promise<readonly string[]> =>
    ((await client.auth.rolePermissions('sensu_readwrite')) ?? []).map(grantWords).sort();
  const wanted = (profile: Profile): readonly string[] => wantedGrants(profile).map(grantWords).sort();

  test.each(profiles)(
    '%s: from nothing to what is wanted, and a second time changes nothing',
    async (profile) => {
      await converge(profile);
      expect(await held()).toEqual(wanted(profile));
      expect(await client.auth.userRoles('sensu')).toEqual(['sensu_readwrite']);
      expect((await plan(profile)).steps).toEqual([]);
    },
  );

  test('auth is enabled last, both users log in, nobody else does, and a second time changes nothing', async () => {
    const made = await converge('documented', true);
    expect(made.steps.at(-1)?.action.type).toBe('enable-auth');
    expect(await client.auth.enabled()).toBe(true);
    await expect(client.auth.roles()).rejects.toMatchObject({ kind: 'denied' });
    expect(await client.auth.authenticates(asSensu)).toBe(true);
    expect(await client.auth.authenticates({ ...asSensu, password: 'other' })).toBe(false);
    await relogin(asRoot);
    const again = await plan('documented', true);
    expect(again.steps).toEqual([]);
    expect(again.findings).toEqual([]);
  });

  test('the documented grants are taken back for the least ones, and given again, with auth on', async () => {
    await converge('documented', true);
    await relogin(asRoot);
    await converge('least');
    expect(await held()).toEqual(wanted('least'));
    await converge('documented');
    expect(await held()).toEqual(wanted('documented'));
    await converge('init');
    await converge('least');
    expect(await held()).toEqual(wanted('least'));
  });

  test('drift of our role is mended, and what is not ours is left alone', async () => {
    await converge('least');
    const { auth } = client;
    const grants: Permission[] = [
      { access: 'readwrite', key: Buffer.from('/sensu.io') },
      { access: 'read', key: Buffer.from('/sensu.io/'), end: Buffer.from([0]) },
      { access: 'write', key: Buffer.from([0x00]), end: Buffer.from([0]) },
      { access: 'read', key: Buffer.from([0xff, 0xfe]) },
    ];
    for (const grant of grants) await auth.grantPermission('sensu_readwrite', grant);
    await auth.revokePermission('sensu_readwrite', wantedGrants('least')[0]!);
    await auth.revokeRole('sensu', 'sensu_readwrite');
    await auth.addRole('other_role');
    await auth.grantPermission('other_role', grants[2]!);
    await auth.grantRole('sensu', 'other_role');
    await auth.addUser('other', 'other-secret');
    await auth.grantRole('other', 'sensu_readwrite');

    const made = await plan('least');
    expect(made.findings.map(({ code }) => code)).toContain('USER_HAS_OTHER_ROLES');
    await applyRbac(client, made, passwords);
    expect(await held()).toEqual(wanted('least'));
    expect([...((await auth.userRoles('sensu')) ?? [])].sort()).toEqual(['other_role', 'sensu_readwrite']);
    expect(await auth.userRoles('other')).toEqual(['sensu_readwrite']);
    expect((await auth.rolePermissions('other_role'))?.map(grantWords)).toEqual([grantWords(grants[2]!)]);
    expect((await plan('least')).steps).toEqual([]);
  });

  test('two grants from one key, of which etcd would replace only the first, are mended', async () => {
    await converge('documented');
    const [, end] = [0, Buffer.from('/sensu.io0')];
    await client.auth.grantPermission('sensu_readwrite', {
      access: 'read',
      key: Buffer.from('/sensu.io/'),
      end,
    });
    await converge('least');
    expect(await held()).toEqual(wanted('least'));
  });

  test('with auth on, a password that etcd refuses is changed, one that it takes is not', async () => {
    await converge('documented', true);
    await relogin(asRoot);
    const changed = { ...passwords, sensu: 'new-secret' };
    const made = await plan('documented', false, changed);
    expect(made.steps.map(({ action }) => action)).toEqual([{ type: 'set-password', user: 'sensu' }]);
    await applyRbac(client, made, changed);
    expect(await client.auth.authenticates({ username: 'sensu', password: 'new-secret' })).toBe(true);
    expect(await client.auth.authenticates(asSensu)).toBe(false);
    expect((await plan('documented', false, changed)).steps).toEqual([]);
  });

  test('users made without a password, which take a new one and go on refusing it, lock nobody out', async () => {
    const { auth } = client;
    await auth.addUser('root', undefined);
    await auth.grantRole('root', 'root');
    await auth.addUser('sensu', undefined);
    await expect(converge('least', true)).rejects.toMatchObject({ code: 'LOGIN_REFUSED_AFTER_ENABLING' });
    expect(await auth.authenticates(asRoot)).toBe(true);
    await relogin(asRoot);
    await converge('least', true);
    expect(await client.auth.authenticates(asSensu)).toBe(true);
    expect(await client.auth.userRoles('sensu')).toEqual(['sensu_readwrite']);
  });

  test('a wrong root password is a refusal, and changes nothing', async () => {
    await converge('least', true);
    await expect(
      (async () => {
        await relogin({ username: 'root', password: 'wrong' });
        await converge('documented');
      })(),
    ).rejects.toMatchObject({ kind: 'denied' });
    await relogin(asRoot);
    expect(await held()).toEqual(wanted('least'));
  });

  test('without the passwords nothing is begun', async () => {
    const made = await plan('least', true, {});
    await expect(applyRbac(client, made, { sensu: 'x' })).rejects.toMatchObject({
      kind: 'usage',
      code: 'PASSWORD_MISSING',
    });
    expect(await client.auth.users()).toEqual([]);
    expect(await client.auth.roles()).toEqual([]);
  });

  test('auth is not enabled when somebody takes the role from root in between', async () => {
    const made = await plan('least', true);
    const meddled = intercepted(client, async (method, make) => {
      await make();
      if (method === 'grantRole') await client.auth.revokeRole('root', 'root').catch(() => undefined);
    });
    await expect(applyRbac(meddled, made, passwords)).rejects.toMatchObject({
      kind: 'refused',
      code: 'ROOT_NOT_CERTAIN',
    });
    expect(await client.auth.enabled()).toBe(false);
  });

  test('cut off at any call, it leaves root able to log in and is gone on with', async () => {
    await client.auth.addUser('root', 'forgotten');
    await client.auth.grantRole('root', 'root');
    for (let call = 1; ; call += 1) {
      const moment = call % 2 === 0 ? 'before' : 'after';
      const cut = await applyRbac(cutAt(client, call, moment), await plan('least', true), passwords).then(
        () => false,
        (error: unknown) => error instanceof Cut,
      );
      const isOn = await client.auth.enabled();
      if (isOn) {
        expect(await client.auth.authenticates(asRoot)).toBe(true);
        await relogin(asRoot);
      }
      await converge('least', true);
      if (!isOn) await relogin(asRoot);
      expect(await held()).toEqual(wanted('least'));
      expect((await plan('least', true)).steps).toEqual([]);
      if (!cut) {
        expect(call).toBeGreaterThan(9);
        return;
      }
      await startOver();
    }
  });

  /** Back to a cluster with a root of unknown password and nothing else. */
  async function startOver(): Promise<void> {
    await client.auth.disable();
    await relogin();
    const { auth } = client;
    for (const user of await auth.users()) await auth.deleteUser(user);
    for (const role of await auth.roles()) await auth.deleteRole(role);
    await auth.addUser('root', 'forgotten');
    await auth.grantRole('root', 'root');
  }

  test('backends that run are told from keys that a restore has left, before auth is enabled under them', async () => {
    const key = Buffer.from('/sensu.io/backends/5d1f8b2c3a4e6f70');
    const enabling = async (): Promise<unknown> =>
      (await findingsForBackends(quiet, client, { profile: 'least', enableAuth: true }, { tls: {} })).find(
        ({ code }) => code === 'AUTH_BREAKS_RUNNING_BACKENDS',
      );
    expect(await enabling()).toMatchObject({ severity: 'note' });
    const register = async (lease: Lease): Promise<Lease> => {
      await client.grantLease(lease);
      await client.txn({ writes: [{ type: 'put', key, value: Buffer.from('x'), lease: lease.id }] });
      return lease;
    };
    await register({ id: 7n as LeaseId, ttl: 4n });
    // As a restore leaves it: the key is there with its lease, and nobody renews that.
    expect(await enabling()).toMatchObject({ severity: 'note' });
    const keeper = client.keepLeases();
    keeper.hold(await register({ id: 8n as LeaseId, ttl: 12n }));
    expect(await enabling()).toMatchObject({ severity: 'warning' });
  });
});
