import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EtcdBinaries } from '../../src/etcd/throwaway/binaries.js';
import { createAuthority, writeCertifiedKey, writePem } from '../../src/etcd/throwaway/certificates.js';
import { startThrowawayEtcd, type ThrowawayEtcd } from '../../src/etcd/throwaway/throwaway.js';

/** The forms of login that a migration can set up; passwords with each kind of token that etcd gives. */
export type LoginForm = 'certificate' | 'password-jwt' | 'password-simple' | 'none';

export const loginForms: readonly LoginForm[] = ['certificate', 'password-jwt', 'password-simple', 'none'];

/** Three members with TLS, and the options by which this program reaches them and sets the login up. */
export interface ExternalEtcd {
  readonly cluster: ThrowawayEtcd;
  readonly connection: readonly string[];
  readonly login: readonly string[];
}

export async function startExternalEtcd(
  folder: string,
  binaries: EtcdBinaries,
  form: LoginForm,
): Promise<ExternalEtcd> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const authority = await createAuthority('suite CA');
  const server = await authority.issueServer(['127.0.0.1', 'localhost']);
  const cacert = join(folder, 'ca.crt');
  await writePem(cacert, authority.ca);
  const client = await writeCertifiedKey(folder, 'client', await authority.issueClient('sensu'));
  // With a client certificate of its own a login by password would be taken for the certificate's.
  const clientCertificates = form === 'certificate';
  const cluster = await startThrowawayEtcd({
    binaries,
    members: 3,
    tls: { ca: authority.ca, ...server, clientCertificates },
    flags: form === 'password-jwt' ? await jwtFlags(folder) : [],
  });
  return {
    cluster,
    connection: [
      ...['--endpoints', cluster.endpoints.join(','), '--cacert', cacert],
      ...(clientCertificates ? ['--cert', client.cert, '--key', client.key] : []),
    ],
    login: await loginOptions(folder, form),
  };
}

async function loginOptions(folder: string, form: LoginForm): Promise<readonly string[]> {
  if (form === 'none') return ['--auth', 'none'];
  const root = ['--root-password-file', await passwordFile(folder, 'root'), '--enable-auth'];
  if (form === 'certificate') return ['--auth', 'certificate', ...root];
  return ['--auth', 'password', '--sensu-password-file', await passwordFile(folder, 'sensu'), ...root];
}

async function passwordFile(folder: string, user: string): Promise<string> {
  const path = join(folder, `${user}-password`);
  await writeFile(path, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' });
  return path;
}

async function jwtFlags(folder: string): Promise<readonly string[]> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const [pub, priv] = [join(folder, 'jwt.pub'), join(folder, 'jwt.key')];
  await writePem(pub, Buffer.from(publicKey));
  await writePem(priv, Buffer.from(privateKey));
  return [`--auth-token=jwt,pub-key=${pub},priv-key=${priv},sign-method=RS256,ttl=10m`];
}
