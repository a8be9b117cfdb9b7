import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { ConnectOptions } from '../../src/etcd/connect-options.js';
import { connect } from '../../src/etcd/connect.js';
import { applyRbac } from '../../src/rbac/apply.js';
import { inspectLogin } from '../../src/rbac/inspect-login.js';
import { chooseLogin, type BackendLogin, type LoginWishes } from '../../src/rbac/login.js';
import { passwordsNeeded, type RbacPlan } from '../../src/rbac/plan-types.js';
import { planRbac } from '../../src/rbac/plan.js';
import { verifyRbac, type RbacVerification } from '../../src/rbac/verify.js';
import { enableAuth, etcdVersions, startEtcd, type RunningEtcd } from '../support/etcd.js';

const root = { username: 'root', password: 'root-secret' };
const byCertificate: BackendLogin = { form: 'certificate', user: 'sensu' };

async function targetOf({ endpoints, authority }: RunningEtcd, commonName: string): Promise<ConnectOptions> {
  return { endpoints, tls: { ca: authority!.ca, ...(await authority!.issueClient(commonName)) } };
}

async function apply(target: ConnectOptions, login: BackendLogin, enableAuth = true): Promise<RbacPlan> {
  const client = await connect(target);
  try {
    const passwords = { root: root.password };
    const plan = await planRbac(client, { profile: 'documented', login, enableAuth, passwords });
    await applyRbac(client, plan, passwords);
    return plan;
  } finally {
    await client.close();
  }
}

const verify = (target: ConnectOptions, login: BackendLogin): Promise<RbacVerification> =>
  verifyRbac(target, { profile: 'documented', login });

const failed = ({ checks }: RbacVerification): string[] =>
  checks.filter(({ ok }) => !ok).map(({ what, remedy }) => `${what} -> ${remedy ?? ''}`);

describe.each(etcdVersions)('a login by certificate on etcd %s', (version) => {
  test('the CN is the user, which has no password; another CN, or a grant that is missing, is found', async () => {
    const etcd = await startEtcd({ version, tls: 'client-cert', until: 'test' });
    const asSensu = await targetOf(etcd, 'sensu');
    const onPaper = await verify(asSensu, byCertificate);
    expect(onPaper).toMatchObject({ enforced: false, ok: false });

    const plan = await apply(asSensu, byCertificate);
    expect(plan.steps.map(({ action }) => action.type)).toContain('create-certificate-user');
    expect(passwordsNeeded(plan)).toEqual(new Set(['root']));
    expect(await verify(asSensu, byCertificate)).toMatchObject({ enforced: true, ok: true, findings: [] });

    const other = await verify(await targetOf(etcd, 'backend-1'), byCertificate);
    expect(other.ok).toBe(false);
    expect(failed(other)).toEqual([
      expect.stringMatching(/be taken for sensu by the CN .* The CN is backend-1, .*--etcd-user backend-1/),
    ]);
    const nobody = await verify(await targetOf(etcd, 'backend-1'), {
      form: 'certificate',
      user: 'backend-1',
    });
    expect(failed(nobody)).toEqual([expect.stringContaining('There is no etcd user backend-1')]);

    const administrator = await connect({ ...asSensu, credentials: root });
    await administrator.auth.revokePermission('sensu_readwrite', { key: Buffer.from('/sensu.io') });
    await administrator.close();
    const lacking = await verify(asSensu, byCertificate);
    expect(lacking.checks.flatMap(({ missingGrant }) => missingGrant ?? [])).toEqual(['read /sensu.io']);
  });
});

describe('what stands in the way of a login by certificate', () => {
  let demanding: RunningEtcd;
  let lenient: RunningEtcd;

  beforeAll(async () => {
    demanding = await startEtcd({ tls: 'client-cert' });
    lenient = await startEtcd({ tls: 'server', authority: demanding.authority! });
  });

  afterAll(async () => {
    await Promise.all([demanding.stop(), lenient.stop()]);
  });

  async function inspect(etcd: RunningEtcd, commonName: string, login: BackendLogin): Promise<string[]> {
    const target = await targetOf(etcd, commonName);
    const client = await etcd.connect({ tls: target.tls! });
    const findings = await inspectLogin(client, {
      ...{ login, profile: 'documented', authWanted: true, tls: target.tls! },
    });
    return findings.map(({ severity, code }) => `${severity} ${code}`);
  }

  test('nothing, when the members ask for certificates and the CN is the user', async () => {
    expect(await inspect(demanding, 'sensu', byCertificate)).toEqual([]);
    expect(await inspect(demanding, 'monitoring', { form: 'certificate', user: 'monitoring' })).toEqual([]);
  });

  test('a CN of another name', async () => {
    expect(await inspect(demanding, 'backend-1', byCertificate)).toEqual([
      'refusal CERTIFICATE_NAMES_ANOTHER_USER',
    ]);
  });

  test('members that ask for no certificate, and so look at no CN', async () => {
    expect(await inspect(lenient, 'sensu', byCertificate)).toEqual(['refusal CERTIFICATES_NOT_DEMANDED']);
  });

  test("a user who is somebody else's already: both would hold the other's grants", async () => {
    const client = await demanding.connect();
    await client.auth.addRole('registry');
    await client.auth.addUser('kube-apiserver', undefined);
    await client.auth.grantRole('kube-apiserver', 'registry');
    const login: BackendLogin = { form: 'certificate', user: 'kube-apiserver' };
    const { findings } = await planRbac(client, { profile: 'least', enableAuth: false, login });
    expect(findings.map(({ severity, code }) => `${severity} ${code}`)).toContain(
      'warning USER_BELONGS_TO_OTHERS',
    );
  });

  // Such a member demands a certificate and looks at no CN; that shows only once auth is on.
  test('members with a CA for clients that are not told to take the CN for the user', async () => {
    const { authority } = demanding;
    const folder = await mkdtemp(join(tmpdir(), 'rbac-certificate-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const ca = join(folder, 'ca.pem');
    await writeFile(ca, authority!.ca);
    const flags = [`--trusted-ca-file=${ca}`];
    const etcd = await startEtcd({ tls: 'server', authority: authority!, flags, until: 'test' });
    expect(await inspect(etcd, 'sensu', byCertificate)).toEqual([]);
    const target = await targetOf(etcd, 'sensu');
    await apply(target, byCertificate);
    expect(failed(await verify(target, byCertificate))).toEqual([
      expect.stringMatching(
        /be taken for sensu .* does not look at the CN: start it with --client-cert-auth/,
      ),
    ]);
  });

  test('without auth a backend without a login can do all that it does, and with auth nothing', async () => {
    const etcd = await startEtcd({ until: 'test' });
    const none: BackendLogin = { form: 'none', user: 'sensu' };
    const target = { endpoints: etcd.endpoints };
    expect(await apply(target, none, false)).toMatchObject({ steps: [], findings: [] });
    expect(await verify(target, none)).toMatchObject({ enforced: false, ok: true });
    await enableAuth(etcd);
    const refused = await verify(target, none);
    expect(refused).toMatchObject({ enforced: true, ok: false });
    expect(failed(refused)).toEqual([expect.stringContaining('work without a login -> Auth is on')]);
  });

  const choose = (etcd: RunningEtcd, wishes: Partial<LoginWishes>): Promise<BackendLogin | undefined> =>
    chooseLogin(
      { hasPassword: false, enableAuth: false, ...wishes },
      { endpoints: etcd.endpoints, tls: { ca: etcd.authority!.ca } },
    );

  test('without a word: by certificate where the members ask for one, by password where one is given', async () => {
    expect(await choose(demanding, {})).toEqual(byCertificate);
    expect(await choose(demanding, { hasPassword: true })).toEqual({ form: 'password', user: 'sensu' });
    expect(await choose(lenient, {})).toBeUndefined();
    expect(await choose(lenient, { auth: 'none' })).toMatchObject({ form: 'none' });
    expect(await choose(demanding, { etcdUser: 'monitoring' })).toMatchObject({ user: 'monitoring' });
  });

  test.each<[string, Partial<LoginWishes>]>([
    ['a certificate and a password', { auth: 'certificate', hasPassword: true }],
    ['no auth and a password', { auth: 'none', hasPassword: true }],
    ['no auth, to be enabled', { auth: 'none', enableAuth: true }],
    ['root for the backends', { etcdUser: 'root' }],
  ])('%s contradict each other', async (_what, wishes) => {
    await expect(choose(demanding, wishes)).rejects.toMatchObject({
      kind: 'usage',
      code: 'LOGIN_CONTRADICTORY',
    });
  });
});
