import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openBackendCalls } from '../../src/etcd/transport/backend-calls.js';
import type { ConnectOptions } from '../../src/etcd/connect-options.js';
import { connect } from '../../src/etcd/connect.js';
import { applyRbac } from '../../src/rbac/apply.js';
import { inspectLogin } from '../../src/rbac/inspect-login.js';
import { mergeMembers } from '../../src/rbac/member-checks.js';
import { planRbac } from '../../src/rbac/plan.js';
import { verifyRbac } from '../../src/rbac/verify.js';
import { passwordLogin } from '../../src/rbac/login.js';
import { sensuRoot } from '../../src/store/sensu-root.js';
import { startEtcd, type RunningEtcd } from '../support/etcd.js';

const passwords = { root: 'root-secret', sensu: 'sensu-secret' };
const profile = 'documented';

async function enable(target: ConnectOptions): Promise<void> {
  const client = await connect(target);
  const plan = await planRbac(client, { profile, enableAuth: true, passwords });
  await applyRbac(client, plan, passwords);
  await client.close();
}

const codes = (findings: readonly { severity: string; code: string }[]): string[] =>
  findings.map(({ severity, code }) => `${severity} ${code}`);

describe('three members with client certificates and simple tokens', () => {
  let etcd: RunningEtcd;

  beforeAll(async () => {
    etcd = await startEtcd({ members: 3, tls: 'client-cert' });
    await enable(etcd.connectOptions());
  });

  afterAll(() => etcd.stop());

  const verify = async (commonName: string, sensuVersion?: string): ReturnType<typeof verifyRbac> =>
    verifyRbac(
      etcd.connectOptions({
        tls: { ca: etcd.authority!.ca, ...(await etcd.authority!.issueClient(commonName)) },
      }),
      { profile, sensuPassword: passwords.sensu, sensuVersion },
    );

  test('a CN that is not a user is what makes a login by password fail, not what to use with it', async () => {
    const fatal = await verify('backend-1', '6.12.0');
    expect(codes(fatal.findings)).toEqual(['refusal LOGIN_WILL_FAIL']);
    expect(fatal).toMatchObject({ ok: false, endpoints: etcd.endpoints, unasked: [] });
    expect(fatal.checks.every(({ ok }) => ok)).toBe(true);
    expect(codes((await verify('sensu')).findings)).toEqual(['warning LOGIN_LOSES_EVENTS']);
  });

  test('a member that does not answer is named, and the others prove no more than themselves', async () => {
    await etcd.members[2]!.stop();
    const result = await verify('sensu');
    expect(result.ok).toBe(false);
    expect(result.checks.every(({ ok }) => ok)).toBe(true);
    expect(result.endpoints).toEqual(etcd.endpoints.slice(0, 2));
    expect(result.unasked).toEqual([
      { endpoint: etcd.endpoints[2], reason: expect.stringContaining('refuses connections') as string },
    ]);
    await etcd.members[2]!.start();
  });
});

test('with JWT nothing is lost, and it is seen before auth is on and after', async () => {
  const etcd = await startEtcd({ members: 3, flags: await jwtFlags('10m'), until: 'test' });
  const target = etcd.connectOptions();
  const client = await etcd.connect();
  const inspected = { login: passwordLogin, profile, authWanted: true, tls: {} } as const;
  expect(await inspectLogin(client, inspected)).toEqual([]);
  await enable(target);
  const result = await verifyRbac(target, { profile, sensuPassword: passwords.sensu });
  expect(result).toMatchObject({ ok: true, findings: [] });
});

// A token that was proven a moment ago may have run out when the watch takes it along. In a row without a pause, about
// every other end of a token falls into that moment.
test('a watch whose token has run out logs in again', async () => {
  const etcd = await startEtcd({ flags: await jwtFlags('1s'), until: 'test' });
  const target = etcd.connectOptions();
  await enable(target);
  const calls = openBackendCalls({
    ...target,
    credentials: { username: 'sensu', password: passwords.sensu },
  });
  onTestFinished(() => {
    calls.close();
  });
  const until = performance.now() + 6000;
  while (performance.now() < until) await calls.watch(sensuRoot);
});

test('two clusters, of which one enforces nothing, are not one that is half proven', () => {
  const check = { what: 'a', as: 'sensu', expected: 'allowed', got: 'allowed', ok: true } as const;
  const merged = mergeMembers([
    { endpoint: 'http://a:2379', enforced: true, checks: [check] },
    { endpoint: 'http://b:2379', enforced: false, checks: [{ ...check, what: 'b' }] },
  ]);
  expect(merged.filter(({ ok }) => !ok)).toMatchObject([
    { what: 'work without a login', got: 'allowed', at: 'http://b:2379' },
  ]);
});

async function jwtFlags(ttl: string): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), `rbac-jwt-${randomBytes(4).toString('hex')}-`));
  onTestFinished(() => rm(folder, { recursive: true }));
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const paths = { public: join(folder, 'public.pem'), private: join(folder, 'private.pem') };
  await writeFile(paths.public, publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(paths.private, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return [`--auth-token=jwt,pub-key=${paths.public},priv-key=${paths.private},sign-method=RS256,ttl=${ttl}`];
}
