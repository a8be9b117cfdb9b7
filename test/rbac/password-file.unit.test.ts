import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readSecretFile } from '../../src/core/secret-file.js';
import { generatePassword, refuseLongPassword, writePasswordFile } from '../../src/rbac/password-file.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rbac-passwords-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('a generated password', () => {
  test('is read back as written, from a file that only its owner may read', async () => {
    const path = join(directory, 'sensu');
    const password = generatePassword();
    await writePasswordFile(path, password);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readSecretFile(path, 'password')).toBe(password);
  });

  test('is another one each time, and needs no quotes', () => {
    const passwords = Array.from({ length: 50 }, generatePassword);
    expect(new Set(passwords).size).toBe(50);
    for (const password of passwords) expect(password).toMatch(/^[\w-]{43}$/);
  });

  test('never takes the place of a file', async () => {
    const path = join(directory, 'sensu');
    await writeFile(path, 'precious');
    await expect(writePasswordFile(path, 'x')).rejects.toMatchObject({ code: 'PASSWORD_FILE_NOT_WRITTEN' });
    expect(await readFile(path, 'utf8')).toBe('precious');
    await chmod(path, 0o600);
  });

  test('is refused in a directory that is not there, with words that do not hold it', async () => {
    const error: unknown = await writePasswordFile(join(directory, 'no', 'file'), 'secret-word').catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ kind: 'usage', code: 'PASSWORD_FILE_NOT_WRITTEN' });
    expect(String(error)).not.toContain('secret-word');
  });
});

test('a password longer than bcrypt reads is refused, counted in bytes', () => {
  expect(() => {
    refuseLongPassword('x'.repeat(72), 'sensu');
  }).not.toThrow();
  expect(() => {
    refuseLongPassword('ä'.repeat(37), 'sensu');
  }).toThrow(expect.objectContaining({ code: 'PASSWORD_TOO_LONG' }));
});
