import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { chooseBackendLogin } from '../../../src/migrate/backend-login.js';
import type { Finding } from '../../../src/migrate/findings.js';
import { planMigration } from '../../../src/migrate/plan.js';
import { readSecrets } from '../../../src/migrate/read-secrets.js';
import type { RecordedSettings } from '../../../src/migrate/settings.js';
import { enableAuth, startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { testContext } from '../staged-host.js';

let folder: string;
let apiUrl: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'login-preflight-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  apiUrl = await startApi('6.12.0');
});

/** All that preflight asks of the API without a key. */
async function startApi(sensuBackend: string): Promise<string> {
  const server = createServer((_request, response) => {
    response.end(
      JSON.stringify({ sensu_backend: sensuBackend, etcd: { etcdserver: '3.5.15', etcdcluster: '' } }),
    );
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function write(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

/** What preflight says of the target and the login, for a backend that is not there. */
async function findingsOf(
  target: RunningEtcd,
  chosen: Partial<RecordedSettings>,
  files: { readonly backendYml?: string; readonly environment?: string } = {},
): Promise<readonly Finding[]> {
  const { tls } = target;
  const settings: RecordedSettings = {
    backendConfig: await write('backend.yml', files.backendYml ?? 'etcd-name: a\n'),
    envFile: await write('environment', files.environment ?? ''),
    endpoints: [...target.endpoints],
    tls: {
      ...(tls?.ca && { cacert: await write('ca.pem', tls.ca) }),
      ...(tls?.cert && { cert: await write('cert.pem', tls.cert) }),
      ...(tls?.key && { key: await write('key.pem', tls.key) }),
    },
    sourceEndpoints: ['http://127.0.0.1:1'],
    ...{ sourceTls: {}, stopCommand: 'true', startCommand: 'true', apiUrl, etcdUser: 'sensu' },
    ...{ auth: 'certificate', profile: 'documented', enableAuth: false, configOnly: false },
    ...{ startTimeoutSeconds: 60, watchSeconds: 0 },
    ...chosen,
  };
  const plan = await planMigration(testContext(), settings, await readSecrets(settings), join(folder, 'run'));
  return plan.findings;
}

const codes = (findings: readonly Finding[]): string[] =>
  findings.map(({ severity, code }) => `${severity} ${code}`);

describe('a target whose members ask for client certificates', () => {
  let target: RunningEtcd;

  beforeAll(async () => {
    target = await startEtcd({ members: 3, tls: 'client-cert' });
  });

  afterAll(() => target.stop());

  test('a password beside a certificate that names no user is refused before anything is set up', async () => {
    const sensuPasswordFile = await write('sensu', 'secret');
    const rootPasswordFile = await write('root', 'secret');
    const found = await findingsOf(target, {
      ...{ auth: 'password', sensuPasswordFile, rootPasswordFile, enableAuth: true },
    });
    expect(codes(found)).toContain('refusal LOGIN_WILL_FAIL');
    const withoutAuth = await findingsOf(target, { auth: 'password', sensuPasswordFile });
    expect(codes(withoutAuth).filter((code) => code.includes('LOGIN'))).toEqual([]);
    expect(found.find(({ code }) => code === 'LOGIN_WILL_FAIL')!.sentence).toContain(
      'the CN of the client certificate, client,',
    );
  });

  test('a certificate for another user than the one that gets the grants is refused', async () => {
    expect(codes(await findingsOf(target, {}))).toContain('refusal CERTIFICATE_NAMES_ANOTHER_USER');
    const found = codes(await findingsOf(target, { etcdUser: 'client' }));
    expect(found.filter((code) => /CERTIFICATES?_N|LOGIN|USERNAME/.test(code))).toEqual([]);
  });

  test.each([
    [
      'the environment file',
      { environment: 'SENSU_BACKEND_ETCD_CLIENT_USERNAME=a\nSENSU_BACKEND_ETCD_CLIENT_PASSWORD=b\n' },
    ],
    ['backend.yml', { backendYml: 'etcd-client-username: a\netcd-client-password: b\n' }],
  ])('a user name and a password in %s would win over the certificate', async (_place, files) => {
    expect(codes(await findingsOf(target, { etcdUser: 'client' }, files))).toContain(
      'refusal CLIENT_USERNAME_SET',
    );
  });

  test('the login follows from what was given and what the target asks for', async () => {
    const { ca, cert, key } = target.tls!;
    const tls = {
      ...{ cacert: await write('ca.pem', ca!), cert: await write('cert.pem', cert!) },
      key: await write('key.pem', key!),
    };
    const place = { endpoints: [...target.endpoints], tls };
    const [enableAuth, sensuPasswordFile] = [true, '/password'];
    expect(await chooseBackendLogin({ enableAuth }, place)).toEqual({ form: 'certificate', user: 'sensu' });
    expect(await chooseBackendLogin({ enableAuth, sensuPasswordFile }, place)).toMatchObject({
      form: 'password',
    });
    const without = { ...place, tls: { cacert: tls.cacert } };
    await expect(chooseBackendLogin({ enableAuth }, without)).rejects.toMatchObject({
      kind: 'usage',
      code: 'CERTIFICATE_MISSING',
    });
  });
});

test('a target with auth asks for the password of root by the option that there is', async () => {
  const target = await startEtcd({ until: 'test' });
  await enableAuth(target);
  const sensuPasswordFile = await write('sensu', 'secret');
  const found = await findingsOf(target, { auth: 'password', sensuPasswordFile });
  const ofTarget = found.filter(({ code }) => code.startsWith('TARGET_ETCD'));
  expect(ofTarget.map(({ kind, remedy }) => [kind, remedy])).toEqual([
    ['denied', expect.stringContaining('--root-password-file FILE') as string],
  ]);
  const rootPasswordFile = await write('root', 'root-password');
  expect(codes(await findingsOf(target, { auth: 'none', rootPasswordFile }))).toContain(
    'refusal AUTH_NEEDS_LOGIN',
  );
  const nowhere = { endpoints: [...target.endpoints], tls: {} };
  await expect(chooseBackendLogin({ enableAuth: false }, nowhere)).rejects.toMatchObject({
    kind: 'usage',
    code: 'LOGIN_NOT_SAID',
  });
});
