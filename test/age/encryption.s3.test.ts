import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateHybridIdentity, generateIdentity, identityToRecipient } from 'age-encryption';
import { FerryError } from '../../src/core/errors.js';
import { readArchive } from '../../src/snapshot/archive/archive-reader.js';
import { ArchiveWriter } from '../../src/snapshot/archive/archive-writer.js';
import { chunkSize } from '../../src/core/chunks.js';
import { checkRecipients, decrypt, type DecryptionKeys, type Encryption } from '../../src/age/encryption.js';
import { readIdentityFile } from '../../src/age/identity-file.js';
import type { Manifest } from '../../src/snapshot/archive/manifest.js';
import { findTool } from '../support/tools.js';

const age = findTool('age');

const folder = mkdtempSync(join(tmpdir(), 'sensu-ferry-encryption-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** No multiple of any chunk: of ours, of age's, of gzip's. */
const plain = Buffer.concat([randomBytes(2_300_000), Buffer.alloc(900_123, 'sensu')]);

function manifestOf(stored: Manifest['stored'], encryption: Encryption): Manifest {
  const hash = 'a'.repeat(64);
  return {
    format: 'sensu-ferry',
    version: 1,
    createdAt: '2026-11-23T00:00:00.000Z',
    tool: 'sensu-ferry 0.1.0',
    etcd: { version: '3.5.16', clusterId: 'ab', memberId: 'cd', memberName: 'default', revision: '884' },
    sensu: { clusterId: null, databaseVersion: '2' },
    content: {
      ...{ keys: 1, bytes: 1, leases: 0, prefixes: [] },
      digest: { lasting: hash, lastingKeys: 1, ephemeral: hash, ephemeralKeys: 0, bytes: 1 },
    },
    plain: { size: plain.length, sha256: createHash('sha256').update(plain).digest('hex') },
    stored,
    encrypted: 'passphrase' in encryption ? { passphrase: true } : { recipients: [...encryption.recipients] },
    notIncluded: [],
  };
}

async function write(encryption: Encryption, failAt = Infinity): Promise<Buffer> {
  const parts: Buffer[] = [];
  const sink = {
    write: (bytes: Buffer): Promise<void> =>
      parts.push(Buffer.from(bytes)) > failAt
        ? Promise.reject(new Error('the disk is full'))
        : Promise.resolve(),
  };
  const archive = new ArchiveWriter(sink, new Date(0), encryption);
  for (let at = 0; at < plain.length; at += chunkSize) await archive.add(plain.subarray(at, at + chunkSize));
  await archive.finish(manifestOf(await archive.finishSnapshot(), encryption));
  return Buffer.concat(parts);
}

async function read(bytes: Buffer, keys?: Partial<DecryptionKeys>): Promise<Buffer> {
  const parts: Buffer[] = [];
  const sink = { write: (part: Buffer): Promise<void> => Promise.resolve(void parts.push(part)) };
  const path = join(folder, 'read.sferry');
  writeFileSync(path, bytes);
  await readArchive({ path, bytes: createReadStream(path) }, sink, {
    identities: [],
    passphrases: [],
    ...keys,
  });
  return Buffer.concat(parts);
}

let identity: string;
let recipient: string;
let other: string;
let bytes: Buffer;
beforeAll(async () => {
  identity = await generateIdentity();
  other = await generateIdentity();
  recipient = await identityToRecipient(identity);
  bytes = await write({ recipients: [recipient] });
});

describe('an encrypted archive', () => {
  it('is read with the identity of any recipient, among others', async () => {
    const both = await write({ recipients: [await identityToRecipient(other), recipient] });
    expect((await read(both, { identities: [identity] })).equals(plain)).toBe(true);
    expect((await read(both, { identities: [await generateIdentity(), other] })).equals(plain)).toBe(true);
  });

  it('is read with its passphrase and no other', async () => {
    const sealed = await write({ passphrase: 'correct horse' });
    expect((await read(sealed, { passphrases: ['correct horse'] })).equals(plain)).toBe(true);
    await expect(read(sealed, { passphrases: ['wrong horse'] })).rejects.toMatchObject({
      code: 'KEY_DOES_NOT_FIT',
    });
    await expect(read(sealed, { identities: [identity] })).rejects.toMatchObject({
      code: 'KEY_DOES_NOT_FIT',
    });
  });

  it('is read with a key that quantum computers do not break', async () => {
    const hybrid = await generateHybridIdentity();
    const sealed = await write({ recipients: [await identityToRecipient(hybrid)] });
    expect((await read(sealed, { identities: [hybrid] })).equals(plain)).toBe(true);
  });

  it('is denied to a wrong identity and to none', async () => {
    await expect(read(bytes, { identities: [other] })).rejects.toMatchObject({
      kind: 'denied',
      code: 'KEY_DOES_NOT_FIT',
    });
    await expect(read(bytes)).rejects.toMatchObject({ kind: 'denied', code: 'SNAPSHOT_ENCRYPTED' });
  });

  it('holds no chunk in clear', () => {
    expect(bytes.includes('snapshot.db.gz.age.000000')).toBe(true);
    expect(bytes.includes(Buffer.from([0x1f, 0x8b, 0x08, 0x00]))).toBe(false);
  });

  it('comes apart with tar, cat, age and gunzip, as the format is documented', () => {
    const key = join(folder, 'identity');
    writeFileSync(key, `${identity}\n`, { mode: 0o600 });
    const out = mkdtempSync(join(folder, 'tar-'));
    writeFileSync(join(out, 'FILE.sferry'), bytes);
    const script =
      'tar -xf FILE.sferry && cat snapshot.db.gz.age.* | "$AGE" --decrypt -i "$KEY" | gunzip > snapshot.db';
    const done = spawnSync('bash', ['-o', 'pipefail', '-c', script], {
      cwd: out,
      env: { PATH: process.env['PATH'], AGE: age, KEY: key },
    });
    expect(done).toMatchObject({ status: 0 });
    expect(readFileSync(join(out, 'snapshot.db')).equals(plain)).toBe(true);
  });

  /** The trap: age's own choice takes 256 MiB, more than any command of this program. */
  it('takes little memory for a passphrase', async () => {
    const sealed = await write({ passphrase: 'correct horse' });
    expect(sealed.toString('latin1')).toMatch(/-> scrypt \S+ 16\n/);
  });

  it('fails when a piece cannot be written, at whatever piece', async () => {
    for (const failAt of [0, 1, 2, 3]) {
      await expect(write({ recipients: [recipient] }, failAt)).rejects.toThrow('the disk is full');
    }
  });
});

describe('what age itself has encrypted', () => {
  it('is decrypted, whatever its size', async () => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
      const content = plain.subarray(0, size);
      const { stdout } = spawnSync(age, ['--encrypt', '--recipient', recipient], { input: content });
      const source = (function* () {
        yield* [stdout.subarray(0, 100), stdout.subarray(100)];
      })();
      const asynchronous = { next: () => Promise.resolve(source.next()) };
      const keys = { identities: [identity], passphrases: [] };
      const parts: Buffer[] = [];
      const failed = (_fault: string, cause: unknown): Promise<unknown> => Promise.resolve(cause);
      for await (const part of decrypt(asynchronous, keys, failed)) parts.push(part);
      expect(Buffer.concat(parts).equals(content)).toBe(true);
    }
  });
});

describe('a damaged encrypted archive', () => {
  const outcomeOf = (damaged: Buffer, keys: Partial<DecryptionKeys>): Promise<unknown> =>
    read(damaged, keys).catch((error: unknown) => error);

  it('is found to be damaged with one byte changed, wherever a byte means something', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= flip;
        const outcome = await outcomeOf(damaged, { identities: [identity] });
        if (Buffer.isBuffer(outcome)) expect(outcome.equals(plain)).toBe(true);
        else expect(outcome).toBeInstanceOf(FerryError);
      }),
      { numRuns: 60 },
    );
  });

  /** The trap: a changed header looks like somebody else's. */
  it('is not taken for one with another key when the header of age is damaged', async () => {
    const start = bytes.indexOf('age-encryption.org/v1');
    const end = bytes.indexOf('\n--- ', start) + 48;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: start, max: end }), async (at) => {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1;
        const outcome = await outcomeOf(damaged, { identities: [identity] });
        expect(outcome).toMatchObject({ kind: 'integrity', code: 'ARCHIVE_DAMAGED' });
      }),
      { numRuns: 40 },
    );
  });

  it('is refused when it is cut short, wherever', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), async (length) => {
        const outcome = await outcomeOf(bytes.subarray(0, length), { identities: [identity] });
        expect(outcome).toMatchObject({ kind: 'integrity' });
      }),
      { numRuns: 40 },
    );
  });
});

describe('keys', () => {
  it.each(['age1nonsense', 'ssh-ed25519 AAAA', 'AGE-SECRET-KEY-1MISTAKEN'])(
    '%s is no recipient',
    async (text) => {
      const refused = checkRecipients([recipient, text]);
      await expect(refused).rejects.toMatchObject({ kind: 'usage', code: 'RECIPIENT_UNUSABLE' });
      await expect(refused).rejects.not.toMatchObject({
        message: expect.stringContaining('MISTAKEN') as string,
      });
    },
  );

  it('are read from what age-keygen writes', async () => {
    const path = join(folder, 'keygen');
    expect(spawnSync(findTool('age-keygen'), ['-o', path])).toMatchObject({ status: 0 });
    const [found] = await readIdentityFile(path);
    expect(readFileSync(path, 'utf8')).toContain(`# public key: ${await identityToRecipient(found!)}\n`);
  });

  it.each([
    ['nothing', '# a remark\n\n'],
    ['a public key', 'age1qqqq\n'],
    ['a broken key', 'AGE-SECRET-KEY-1SECRETSECRET\n'],
  ])('are not %s, and what it is is not told', async (_what, content) => {
    const path = join(folder, 'broken');
    writeFileSync(path, content);
    const refused = readIdentityFile(path);
    await expect(refused).rejects.toMatchObject({ kind: 'usage', code: 'IDENTITY_FILE_UNUSABLE' });
    await expect(refused).rejects.not.toMatchObject({
      message: expect.stringContaining('SECRETSECRET') as string,
    });
  });
});

it('an identity in the place of the path of its file is not repeated', async () => {
  await expect(readIdentityFile('AGE-SECRET-KEY-1QQPZRY9X8')).rejects.toMatchObject({
    code: 'SECRET_FILE_UNUSABLE',
    message: 'Expected the path of a file with the identities, not its text.',
  });
});
