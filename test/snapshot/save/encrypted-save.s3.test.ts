import { generateIdentity, identityToRecipient } from 'age-encryption';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { singleKey } from '../../../src/store/sensu-root.js';
import { openStorage } from '../../../src/storage/open.js';
import { expectFailure, ferry } from '../../support/ferry.js';
import { contentOf, namesIn } from '../../storage/contract.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';
import { startS3Server, type S3Server } from '../../support/s3-server.js';

const marker = 'not for the eyes of a bucket';

let folder: string;
let etcd: RunningEtcd;
let target: RunningEtcd;
let server: S3Server;
let identityFile: string;
let passphraseFile: string;
let recipient: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-encrypted-'));
  [etcd, target, server] = await Promise.all([startEtcd(), startEtcd(), startS3Server()]);
  await server.addBucket('backups');
  const client = await etcd.connect();
  await client.txn({
    writes: [
      { type: 'put', key: Buffer.from('/sensu.io/checks/default/cpu'), value: Buffer.from(marker) },
      { type: 'put', key: Buffer.from('/sensu.io/cluster_id'), value: Buffer.from('12345678-aaaa') },
    ],
  });
  const identity = await generateIdentity();
  recipient = await identityToRecipient(identity);
  identityFile = await secretFile('identity', `# created: today\n${identity}\n`);
  passphraseFile = await secretFile('passphrase', 'correct horse battery\n');
});
afterAll(async () => {
  await Promise.all([etcd.stop(), target.stop(), server.stop()]);
  await rm(folder, { recursive: true });
});

async function secretFile(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

async function save(to: string, ...more: readonly string[]): Promise<{ path: string; stderr: string }> {
  const args = ['snapshot', 'save', '--endpoints', etcd.endpoint, '--to', to, '--json', ...more];
  const saved = await ferry(args, { env: server.env });
  expect(saved).toMatchObject({ code: 0 });
  return { stderr: saved.stderr, path: (JSON.parse(saved.stdout) as { path: string }).path };
}

const inspect = (path: string, ...more: readonly string[]): ReturnType<typeof ferry> =>
  ferry(['snapshot', 'inspect', path, '--json', ...more], { env: server.env });

const leavesInClear = 'leaves this machine unencrypted';

describe('an encrypted snapshot in a bucket', () => {
  it('is inspected and restored from there with the identity', async () => {
    const { path, stderr } = await save('s3://backups/recipient', '--recipient', recipient);
    expect(stderr).not.toContain(leavesInClear);
    const inspected = await inspect(path, '--identity-file', identityFile);
    expect(inspected).toMatchObject({ code: 0 });
    expect(JSON.parse(inspected.stdout)).toMatchObject({
      path,
      kind: 'archive',
      manifest: { encrypted: { recipients: [recipient] } },
    });
    const restored = await ferry(
      [
        'restore',
        'etcd',
        '--from',
        path,
        '--endpoints',
        target.endpoint,
        '--identity-file',
        identityFile,
        '--yes',
      ],
      { env: server.env },
    );
    expect(restored).toMatchObject({ code: 0 });
    const { entries } = await (
      await target.connect()
    ).range(singleKey(Buffer.from('/sensu.io/checks/default/cpu')));
    expect(String(entries[0]!.value)).toBe(marker);
  });

  it('is denied without the identity, and with a wrong one', async () => {
    const { path } = await save('s3://backups/denied', '--recipient', recipient);
    expectFailure(await inspect(path), 12, 'SNAPSHOT_ENCRYPTED');
    const other = await secretFile('other', await generateIdentity());
    expectFailure(await inspect(path, '--identity-file', other), 12, 'KEY_DOES_NOT_FIT');
    expectFailure(await inspect(path, '--passphrase-file', passphraseFile), 12, 'KEY_DOES_NOT_FIT');
  });

  it('that is damaged is told from one that is denied', async () => {
    const { path } = await save('s3://backups/damaged', '--recipient', recipient);
    const storage = await openStorage('s3://backups/damaged', server.env);
    const [name] = await namesIn(storage);
    const bytes = await contentOf(storage, name!);
    bytes[bytes.indexOf('-> X25519') + 20]! ^= 1;
    await storage.put(name!, bytes, new AbortController().signal);
    expectFailure(await inspect(path, '--identity-file', identityFile), 13, 'ARCHIVE_DAMAGED');
  });
});

describe('a snapshot with a passphrase', () => {
  it('in a folder is read with it, and nothing beside it is in clear', async () => {
    const to = await mkdtemp(join(folder, 'to-'));
    const { path } = await save(to, '--passphrase-file', passphraseFile);
    expect(await readdir(to)).toHaveLength(1);
    expect((await readFile(path)).includes(marker)).toBe(false);
    const inspected = await inspect(path, '--passphrase-file', passphraseFile);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ manifest: { encrypted: { passphrase: true } } });
    for (const { stdout, stderr } of [inspected, await inspect(path)]) {
      expect(stdout + stderr).not.toContain('correct horse');
    }
  });
});

describe('a list of snapshots', () => {
  it('says which are encrypted', async () => {
    const to = await mkdtemp(join(folder, 'listed-'));
    await save(to, '--recipient', recipient, '--name', 'sealed');
    await save(to, '--name', 'open');
    const listed = await ferry(['snapshot', 'list', to, '--json']);
    const { snapshots } = JSON.parse(listed.stdout) as { snapshots: { name: string; encrypted: boolean }[] };
    const encrypted = snapshots.map((one) => [one.name.split('-')[0], one.encrypted]).sort();
    expect(encrypted).toEqual([
      ['open', false],
      ['sealed', true],
    ]);
  });
});

describe('a snapshot in clear', () => {
  it('is warned of when it leaves this machine, and only then', async () => {
    expect((await save('s3://backups/clear')).stderr).toContain(leavesInClear);
    expect((await save(await mkdtemp(join(folder, 'clear-')))).stderr).not.toContain(leavesInClear);
  });

  it('in the format of etcd is read from a bucket too', async () => {
    const { path } = await save('s3://backups/plain', '--format', 'etcd');
    const inspected = await inspect(path);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ kind: 'snapshot', hashChecked: true });
  });

  it('that is not in the bucket is named', async () => {
    const missing = await inspect('s3://backups/clear/nothing.sferry');
    expectFailure(missing, 10, 'STORED_FILE_MISSING');
    expect(missing.stderr).toContain('nothing.sferry');
    expectFailure(await inspect('s3://backups'), 2, 'LOCATION_UNUSABLE');
  });
});

describe('options that do not go together', () => {
  const to = ['snapshot', 'save', '--endpoints', 'http://127.0.0.1:1', '--to', '/'];

  it.each([
    [
      'recipient and passphrase',
      'ENCRYPTION_AMBIGUOUS',
      () => ['--recipient', recipient, '--passphrase-file', passphraseFile],
    ],
    [
      'the format of etcd and a recipient',
      'FORMAT_NOT_ENCRYPTED',
      () => ['--format', 'etcd', '--recipient', recipient],
    ],
    ['no key of age', 'RECIPIENT_UNUSABLE', () => ['--recipient', 'age1x']],
    ['a passphrase file that is not there', 'SECRET_FILE_UNUSABLE', () => ['--passphrase-file', '/nowhere']],
  ])('%s', async (_what, code, options) => {
    expectFailure(await ferry([...to, ...options()]), 2, code);
  });

  it('an identity file that holds none', async () => {
    const ended = await inspect('/nowhere.sferry', '--identity-file', passphraseFile);
    expectFailure(ended, 2, 'IDENTITY_FILE_UNUSABLE');
    expect(ended.stderr).not.toContain('horse');
  });
});
