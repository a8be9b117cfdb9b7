import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EtcdClient } from '../../src/etcd/client.js';
import { connect } from '../../src/etcd/connect.js';
import { applyRbac } from '../../src/rbac/apply.js';
import { planRbac } from '../../src/rbac/plan.js';
import { verifyRbac, type RbacVerification } from '../../src/rbac/verify.js';
import { profiles, type Profile } from '../../src/rbac/wanted.js';
import { etcdVersions, startEtcd, type RunningEtcd } from '../support/etcd.js';

const passwords = { root: 'root-secret', sensu: 'sensu-secret' };
const asRoot = { username: 'root', password: passwords.root };

describe.each(etcdVersions)('rbac verify on etcd %s', (version) => {
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

  const verify = (profile: Profile, sensuPassword = passwords.sensu): Promise<RbacVerification> =>
    verifyRbac({ endpoints: [etcd.endpoint] }, { profile, sensuPassword });

  async function apply(profile: Profile, enableAuth = true): Promise<void> {
    const plan = await planRbac(client, { profile, enableAuth, passwords });
    await applyRbac(client, plan, passwords);
  }

  async function loginAsRoot(): Promise<void> {
    await client.close();
    client = await connect({ endpoints: [etcd.endpoint], credentials: asRoot });
  }

  /** etcdctl as an operator uses it; the command may come from a guide, or from what verify prints. */
  function shell(command: string, env: Record<string, string> = {}): void {
    execFileSync('sh', ['-c', command], {
      env: {
        PATH: `${dirname(etcd.binaries.etcdctl)}:${process.env['PATH'] ?? ''}`,
        ETCDCTL_API: '3',
        ETCDCTL_ENDPOINTS: etcd.endpoint,
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }

  /** The six commands of Sensu's guide; the last of them gives root its role by itself. */
  function followTheGuide(): void {
    shell(`echo ${passwords.sensu} | etcdctl user add sensu --interactive=false`);
    shell('etcdctl role add sensu_readwrite');
    shell("etcdctl role grant-permission sensu_readwrite readwrite --from-key '/sensu.io/'");
    shell('etcdctl user grant-role sensu sensu_readwrite');
    shell(`echo ${passwords.root} | etcdctl user add root --interactive=false`);
    shell('etcdctl auth enable');
  }

  const failed = ({ checks }: RbacVerification): readonly string[] =>
    checks.filter(({ ok }) => !ok).map(({ what }) => what);

  test("the role of the guide's six commands lacks one grant, which is named, and mends it", async () => {
    followTheGuide();
    const result = await verify('documented');
    expect(result).toMatchObject({ enforced: true, ok: false });
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([
      {
        what: 'read the key /sensu.io, as every start does',
        as: 'sensu',
        expected: 'allowed',
        got: 'refused',
        ok: false,
        missingGrant: 'read /sensu.io',
        remedy: 'etcdctl role grant-permission sensu_readwrite read /sensu.io',
      },
    ]);
    shell('etcdctl role grant-permission sensu_readwrite read /sensu.io', {
      ETCDCTL_USER: `root:${passwords.root}`,
    });
    expect(await verify('documented')).toMatchObject({ enforced: true, ok: true });
  });

  test.each(profiles)('%s: what apply makes passes, and no key or lease is left behind', async (profile) => {
    await client.txn({
      writes: [{ type: 'put', key: Buffer.from('/sensu.io/.initialized'), value: Buffer.from('1') }],
    });
    await apply(profile);
    const result = await verify(profile);
    expect(failed(result)).toEqual([]);
    await loginAsRoot();
    const everything = await client.range({ start: Buffer.from([0]) });
    expect(everything.entries.map(({ key }) => String(key))).toEqual(['/sensu.io/.initialized']);
    expect(await client.leaseIds()).toEqual([]);
  });

  test('what documented gives is too much for least, and too little for init', async () => {
    await apply('documented');
    expect(failed(await verify('least'))).toEqual([
      'read a key after those of Sensu',
      'write a key after those of Sensu',
    ]);
    const init = await verify('init');
    const missing = new Set(init.checks.flatMap(({ missingGrant }) => missingGrant ?? []));
    expect(missing).toEqual(new Set(['read .initialized', 'readwrite --prefix=true .initialized.lock/']));
  });

  test('a role that may only read fails at each write, and nothing was written', async () => {
    await apply('least');
    await loginAsRoot();
    const [main] = (await client.auth.rolePermissions('sensu_readwrite'))!.filter(({ end }) => end);
    await client.auth.grantPermission('sensu_readwrite', { ...main!, access: 'read' });
    const result = await verify('least');
    expect(failed(result)).toEqual([
      'put a key with a lease under /sensu.io/',
      'delete a key under /sensu.io/, if nobody else has written it',
    ]);
    expect(new Set(result.checks.flatMap(({ missingGrant }) => missingGrant ?? []))).toEqual(
      new Set(['readwrite --prefix=true /sensu.io/']),
    );
    expect((await client.range({ start: Buffer.from([0]), countOnly: true })).count).toBe(0n);
    expect(await client.leaseIds()).toEqual([]);
  });

  test('a user with the role root may do what it must not', async () => {
    await apply('documented');
    await loginAsRoot();
    await client.auth.grantRole('sensu', 'root');
    const result = await verify('documented');
    expect(failed(result)).toEqual(
      expect.arrayContaining(['list users and roles', 'take a snapshot', 'write the key /sensu.io']),
    );
    expect((await client.range({ start: Buffer.from([0]), countOnly: true })).count).toBe(0n);
  });

  test('with a wrong password there is one check, and it fails', async () => {
    await apply('documented');
    const result = await verify('documented', 'wrong');
    expect(failed(result)).toEqual(['log in as sensu']);
  });

  test('while auth is off nothing is enforced, and the grants are compared on paper', async () => {
    const before = await verify('documented');
    expect(before).toMatchObject({ enforced: false, ok: false });
    expect(before.checks.flatMap(({ missingGrant }) => missingGrant ?? [])).toEqual([
      'readwrite --from-key /sensu.io/',
      'read /sensu.io',
    ]);
    await apply('documented', false);
    const after = await verify('documented');
    expect(after).toMatchObject({ enforced: false, ok: false });
    expect(failed(after)).toEqual([]);
  });
});
