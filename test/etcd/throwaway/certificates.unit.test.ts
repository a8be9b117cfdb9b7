import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createAuthority, writeCertifiedKey } from '../../../src/etcd/throwaway/certificates.js';

test('a server certificate names its hosts, is signed by the CA and serves peers both ways', async () => {
  const authority = await createAuthority('test CA');
  const pair = await authority.issueServer(['localhost', '127.0.0.1', '127.0.1.2']);

  const certificate = new X509Certificate(pair.cert);
  const ca = new X509Certificate(authority.ca);
  expect(certificate.checkIssued(ca)).toBe(true);
  expect(certificate.verify(ca.publicKey)).toBe(true);
  expect(certificate.checkHost('localhost')).toBe('localhost');
  expect(certificate.checkIP('127.0.1.2')).toBe('127.0.1.2');
  expect(certificate.checkIP('127.0.0.3')).toBeUndefined();
  expect(certificate.checkPrivateKey(createPrivateKey(pair.key))).toBe(true);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
});

test('a client certificate carries its common name, whatever characters it has', async () => {
  const authority = await createAuthority('test CA');
  const client = new X509Certificate((await authority.issueClient('sensu, O=root')).cert);
  expect(client.toLegacyObject().subject).toEqual({ CN: 'sensu, O=root' });
  expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
});

test('an expired certificate can be had', async () => {
  const authority = await createAuthority('test CA');
  const pair = await authority.issueServer(['127.0.0.1'], {
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('2020-02-01T00:00:00Z'),
  });
  expect(Date.parse(new X509Certificate(pair.cert).validTo)).toBe(Date.parse('2020-02-01T00:00:00Z'));
});

test('the files are 0600, and none is overwritten', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ferry-certificates-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const pair = await (await createAuthority('test CA')).issueClient('sensu');

  const paths = await writeCertifiedKey(directory, 'client', pair);
  expect((await stat(paths.cert)).mode & 0o777).toBe(0o600);
  expect((await stat(paths.key)).mode & 0o777).toBe(0o600);
  expect(await readFile(paths.key)).toEqual(pair.key);
  await expect(writeCertifiedKey(directory, 'client', pair)).rejects.toThrow('EEXIST');
});
