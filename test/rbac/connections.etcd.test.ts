import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ConnectOptions } from '../../src/etcd/connect-options.js';
import { connect } from '../../src/etcd/connect.js';
import { applyRbac } from '../../src/rbac/apply.js';
import { planRbac } from '../../src/rbac/plan.js';
import { verifyRbac } from '../../src/rbac/verify.js';
import type { Profile } from '../../src/rbac/wanted.js';
import { etcdVersions, newestEtcdVersion, startEtcd } from '../support/etcd.js';

const passwords = { root: 'root-secret', sensu: 'sensu-secret' };
const credentials = { username: 'root', password: passwords.root };

async function converge(target: ConnectOptions, profile: Profile): Promise<number> {
  const client = await connect(target);
  try {
    const plan = await planRbac(client, { profile, enableAuth: true, passwords });
    await applyRbac(client, plan, passwords);
    return plan.steps.length;
  } finally {
    await client.close();
  }
}

describe.each(etcdVersions)('rbac with TLS on etcd %s', (version) => {
  test('a client certificate is a login of its own: as root it is one too many, as sensu it is not', async () => {
    const etcd = await startEtcd({ version, tls: 'client-cert', until: 'test' });
    const authority = etcd.authority!;
    const targetOf = async (commonName: string): Promise<ConnectOptions> => ({
      endpoints: etcd.endpoints,
      tls: { ca: authority.ca, ...(await authority.issueClient(commonName)) },
    });
    await converge(await targetOf('backend-1'), 'least');
    const verify = async (certificateName: string): ReturnType<typeof verifyRbac> =>
      verifyRbac(await targetOf(certificateName), { profile: 'least', sensuPassword: passwords.sensu });

    expect(await verify('backend-1')).toMatchObject({ enforced: true, ok: true });
    expect(await verify('sensu')).toMatchObject({ enforced: true, ok: true });
    const asRoot = await verify('root');
    const failed = asRoot.checks.filter(({ ok }) => !ok);
    expect(failed.map(({ as, what }) => [as, what])).toEqual([
      ['nobody', 'read the key /sensu.io'],
      ['nobody', 'list users and roles'],
    ]);
    for (const { remedy } of failed) expect(remedy).toContain('its certificate names, here root');
    expect(await converge(await targetOf('root'), 'least')).toBe(0);
    await expect(converge(await targetOf('backend-1'), 'least')).rejects.toMatchObject({ kind: 'denied' });
  });
});

test('three members: what is set through one holds through each of them', async () => {
  const etcd = await startEtcd({ version: newestEtcdVersion, members: 3, until: 'test' });
  await converge({ endpoints: etcd.endpoints }, 'documented');
  for (const endpoint of etcd.endpoints) {
    const result = await verifyRbac(
      { endpoints: [endpoint] },
      { profile: 'documented', sensuPassword: passwords.sensu },
    );
    expect(result).toMatchObject({ enforced: true, ok: true });
  }
});

test('with JWT tokens, which every change of a role ends, changes and proof go through', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rbac-jwt-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const key = join(folder, 'key');
  await writeFile(key, randomBytes(32).toString('hex'), { mode: 0o600 });
  const etcd = await startEtcd({
    version: newestEtcdVersion,
    flags: [`--auth-token=jwt,sign-method=HS256,priv-key=${key},ttl=10m`],
    until: 'test',
  });
  const target = { endpoints: etcd.endpoints };
  await converge(target, 'documented');
  expect(await converge({ ...target, credentials }, 'init')).toBe(2);
  expect(await converge({ ...target, credentials }, 'least')).toBe(4);
  expect(await verifyRbac(target, { profile: 'least', sensuPassword: passwords.sensu })).toMatchObject({
    ok: true,
  });
});
