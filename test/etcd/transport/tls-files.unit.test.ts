import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readTlsFiles } from '../../../src/etcd/transport/tls-files.js';

test.each(['pkcs8', 'pkcs1'] as const)('an encrypted key of the form %s is called that', async (type) => {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-tls-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
  });
  const key = join(folder, 'client.key');
  await writeFile(key, privateKey);
  await expect(readTlsFiles({ cert: key, key })).rejects.toMatchObject({
    kind: 'usage',
    code: 'TLS_KEY_ENCRYPTED',
    message: expect.stringContaining(`${key}, holds an encrypted key`) as string,
  });
});

test.each(['cacert', 'cert'] as const)(
  'a key in the place of --%s is found in the file, not at a server',
  async (option) => {
    const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-tls-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const { privateKey } = generateKeyPairSync('ed25519', {
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const key = join(folder, 'client.key');
    await writeFile(key, privateKey);
    const paths = option === 'cacert' ? { cacert: key } : { cert: key, key };
    await expect(readTlsFiles(paths)).rejects.toMatchObject({
      kind: 'usage',
      code: 'TLS_FILE_UNUSABLE',
      message: `The file of --${option}, ${key}, holds no certificate.`,
    });
  },
);

test.each(['cacert', 'key'] as const)(
  'the text of a file in the place of its path is not repeated by --%s',
  async (option) => {
    const text = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----';
    const paths = option === 'cacert' ? { cacert: text } : { cert: '/etc/ssl/client.pem', key: text };
    await expect(readTlsFiles(paths)).rejects.toMatchObject({
      kind: 'usage',
      code: 'TLS_FILE_UNUSABLE',
      message: `--${option} takes the path of a PEM file, not the text of one.`,
    });
  },
);
