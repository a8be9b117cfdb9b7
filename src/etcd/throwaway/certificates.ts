import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
  type Extension,
} from '@peculiar/x509';

/** From five minutes ago to 30 days ahead, unless given: these certificates are for throwaway clusters. */
export interface Validity {
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** PEM contents. */
export interface CertifiedKey {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface CertifiedKeyPaths {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority in memory; its key goes nowhere. */
export interface CertificateAuthority {
  /** PEM of its own certificate. */
  readonly ca: Buffer;
  /** For members: serves the hosts (names or addresses), and is a client to its peers. */
  issueServer(hosts: readonly string[], validity?: Validity): Promise<CertifiedKey>;
  /** etcd takes the common name for the user when it checks client certificates. */
  issueClient(commonName: string, validity?: Validity): Promise<CertifiedKey>;
}

const minute = 60_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export async function createAuthority(
  commonName: string,
  validity: Validity = {},
): Promise<CertificateAuthority> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: named(commonName),
    keys,
    signingAlgorithm: algorithm,
    ...dates(validity),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const issuer: Issuer = { keys, name: named(commonName) };
  return {
    ca: Buffer.from(`${certificate.toString('pem')}\n`),
    issueServer: (hosts, dated = {}) => {
      const names = hosts.map((host) => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }) as const);
      return issue(issuer, hosts[0] ?? 'server', dated, [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
        new SubjectAlternativeNameExtension(names),
      ]);
    },
    issueClient: (client, dated = {}) =>
      issue(issuer, client, dated, [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])]),
  };
}

/** Writes `<name>.crt` and `<name>.key`, both 0600 from the first byte; replaces neither when it is there. */
export async function writeCertifiedKey(
  directory: string,
  name: string,
  pair: CertifiedKey,
): Promise<CertifiedKeyPaths> {
  const paths = { cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
  await writePem(paths.cert, pair.cert);
  await writePem(paths.key, pair.key);
  return paths;
}

/** A new file of mode 0600. */
export async function writePem(path: string, pem: Buffer): Promise<void> {
  await writeFile(path, pem, { mode: 0o600, flag: 'wx' });
}

interface Issuer {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly name: DistinguishedName;
}

async function issue(
  issuer: Issuer,
  commonName: string,
  validity: Validity,
  usage: readonly Extension[],
): Promise<CertifiedKey> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.create({
    subject: named(commonName),
    issuer: issuer.name,
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: algorithm,
    ...dates(validity),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      ...usage,
      await AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    cert: Buffer.from(`${certificate.toString('pem')}\n`),
    key: Buffer.from(`${PemConverter.encode(key, PemConverter.PrivateKeyTag)}\n`),
  };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

type DistinguishedName = { readonly CN: string[] }[];

/** As a structure, so that no character of the name means anything. */
function named(commonName: string): DistinguishedName {
  return [{ CN: [commonName] }];
}

function dates(validity: Validity): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return {
    notBefore: validity.notBefore ?? new Date(now - 5 * minute),
    notAfter: validity.notAfter ?? new Date(now + 30 * 24 * 60 * minute),
  };
}
