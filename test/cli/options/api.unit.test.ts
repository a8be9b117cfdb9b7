import { Command } from 'commander';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { addApiOptions, apiConnectionFrom, type ApiFlags } from '../../../src/cli/options/api.js';
import { silentContext } from '../../support/silent-context.js';

const url = 'https://sensu.example.com:8080';
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-api-options-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

async function secretFile(name: string, content: string, mode = 0o600): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content, { mode });
  await chmod(path, mode);
  return path;
}

function parse(...words: readonly string[]): ApiFlags {
  return addApiOptions(new Command().exitOverride()).parse(words, { from: 'user' }).opts();
}

describe('options for the API', () => {
  it('name a key, in a file', async () => {
    const context = silentContext();
    const flags = parse('--api-url', url, '--api-key-file', await secretFile('key', 'the-key\n'));
    expect(await apiConnectionFrom(flags, context)).toMatchObject({ url, login: { apiKey: 'the-key' } });
    expect(context.warnings).toEqual([]);
  });

  it('name a user, with the password in a file, and a CA', async () => {
    const ca = await secretFile('ca', '-----BEGIN CERTIFICATE-----\n');
    const password = await secretFile('password', 'P@ss:word');
    const login = ['--api-user', 'alice', '--api-password-file', password];
    const flags = parse('--api-url', url, '--api-ca', ca, ...login);
    const options = await apiConnectionFrom(flags, silentContext());
    expect(options?.login).toEqual({ username: 'alice', password: 'P@ss:word' });
    expect(options?.ca?.toString()).toContain('BEGIN CERTIFICATE');
  });

  it('may be left out', async () => {
    expect(await apiConnectionFrom(parse(), silentContext())).toBeUndefined();
  });

  it('warn of a key that crosses a network in clear', async () => {
    const context = silentContext();
    const key = ['--api-key-file', await secretFile('key', 'the-key')];
    await apiConnectionFrom(parse('--api-url', 'http://me:pw@sensu.example.com:8080', ...key), context);
    await apiConnectionFrom(parse('--api-url', 'http://127.0.0.1:8080', ...key), context);
    expect(context.warnings).toEqual([
      expect.stringMatching(/^The API key .* in clear to http:\/\/sensu.example.com:8080:/),
    ]);
  });

  it('warn of a file that others can read', async () => {
    const context = silentContext();
    const key = await secretFile('key', 'the-key', 0o644);
    await apiConnectionFrom(parse('--api-url', url, '--api-key-file', key), context);
    expect(context.warnings).toEqual([expect.stringContaining(`chmod 600`)]);
    expect(context.warnings.join()).not.toContain('the-key');
  });

  it.each([
    [['--api-url', url], 'API_LOGIN_MISSING'],
    [['--api-url', url, '--api-user', 'alice'], 'API_LOGIN_MISSING'],
    [['--api-url', url, '--api-password-file', 'p'], 'API_LOGIN_MISSING'],
    [['--api-url', url, '--api-user', 'alice', '--api-key-file', 'k'], 'API_LOGIN_AMBIGUOUS'],
    [['--api-key-file', 'k'], 'API_URL_MISSING'],
    [
      ['--api-url', url, '--api-user', 'alice:AlicePass1', '--api-password-file', 'p'],
      'PASSWORD_IN_ARGUMENTS',
    ],
    [['--api-url', url, '--api-key-file', '/nowhere/key'], 'SECRET_FILE_UNUSABLE'],
  ])('are refused when they do not fit together: %j', async (words, code) => {
    const work = apiConnectionFrom(parse(...words), silentContext());
    await expect(work).rejects.toMatchObject({ kind: 'usage', code });
    await expect(work).rejects.not.toThrow('AlicePass1');
  });

  it('refuse a CA that is none', async () => {
    const file = await secretFile('file', 'the-key');
    const flags = parse('--api-url', url, '--api-key-file', file, '--api-ca', file);
    await expect(apiConnectionFrom(flags, silentContext())).rejects.toMatchObject({
      code: 'TLS_FILE_UNUSABLE',
      message: expect.stringContaining('--api-ca') as string,
    });
  });
});
