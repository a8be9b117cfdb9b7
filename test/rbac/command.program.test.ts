import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RbacVerification } from '../../src/rbac/verify.js';
import { startEtcd, type RunningEtcd } from '../support/etcd.js';

const program = join(import.meta.dirname, '../../dist/cli/main.js');

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let etcd: RunningEtcd;
let folder: string;
let rootFile: string;
let sensuFile: string;

beforeEach(async () => {
  etcd = await startEtcd();
  folder = await mkdtemp(join(tmpdir(), 'rbac-command-'));
  rootFile = join(folder, 'root-password');
  sensuFile = join(folder, 'sensu-password');
});

afterEach(async () => {
  await etcd.stop();
  await rm(folder, { recursive: true });
});

/** As a user runs it: the built program, no terminal, and none of the variables of this shell. */
function rbac(
  args: readonly string[],
  options: { input?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program, 'rbac', args[0]!, '--endpoints', etcd.endpoint, ...args.slice(1)],
      { env: options.env ?? {}, timeout: 120_000 },
      (_error, stdout, stderr) => {
        resolve({ exitCode: child.exitCode, stdout, stderr });
      },
    );
    child.stdin?.end(options.input ?? '');
  });
}

const both = (): readonly string[] => ['--root-password-file', rootFile, '--sensu-password-file', sensuFile];

async function writePasswords(root = 'root-secret', sensu = 'sensu-secret'): Promise<void> {
  await writeFile(rootFile, `${root}\n`, { mode: 0o600 });
  await writeFile(sensuFile, `${sensu}\n`, { mode: 0o600 });
}

describe('rbac apply', () => {
  test('with passwords in files: set up, nothing left to do, proven; no password is ever shown', async () => {
    await writePasswords();
    const first = await rbac(['apply', ...both(), '--enable-auth', '--yes']);
    expect(first).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('9 changes made') as string });
    const second = await rbac(['apply', ...both(), '--enable-auth', '--yes', '--json']);
    expect(second.exitCode).toBe(0);
    expect(JSON.parse(second.stdout)).toMatchObject({ authEnabled: true, steps: [], findings: [] });
    const proof = await rbac(['verify', '--sensu-password-file', sensuFile, '--json']);
    expect(proof.exitCode).toBe(0);
    expect(JSON.parse(proof.stdout)).toMatchObject({ enforced: true, ok: true });
    for (const { stdout, stderr } of [first, second, proof]) expect(stdout + stderr).not.toMatch(/-secret/);
  });

  test('generated passwords are in files that only their owner may read, and are used again', async () => {
    const generate = ['apply', ...both(), '--generate-passwords', '--enable-auth', '--yes'];
    expect((await rbac(generate)).exitCode).toBe(0);
    const password = await readFile(sensuFile, 'utf8');
    for (const path of [rootFile, sensuFile]) expect((await stat(path)).mode & 0o777).toBe(0o600);
    const again = await rbac([...generate, '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ steps: [] });
    expect(await readFile(sensuFile, 'utf8')).toBe(password);
    const proof = await rbac(['verify', '--sensu-password-file', '-'], { input: password });
    expect(proof.exitCode).toBe(0);
  });

  test('without a terminal it asks for --yes, and neither it nor a plan makes files or changes', async () => {
    const args = [...both(), '--generate-passwords', '--enable-auth'];
    expect(await rbac(['apply', ...args])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('CONFIRMATION_MISSING') as string,
    });
    const planned = await rbac(['plan', ...args, '--json']);
    expect(planned.exitCode).toBe(0);
    expect((JSON.parse(planned.stdout) as { steps: unknown[] }).steps).toHaveLength(9);
    expect((await rbac(['apply', ...args, '--plan'])).stdout).toContain('9. Enable auth');
    await expect(stat(sensuFile)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await (await etcd.connect()).auth.users()).toEqual([]);
  });

  test('a role of somebody else on our user is left alone, with a warning', async () => {
    await writePasswords();
    await rbac(['apply', ...both(), '--yes']);
    const { auth } = await etcd.connect();
    await auth.addRole('other');
    await auth.grantRole('sensu', 'other');
    const ended = await rbac(['apply', ...both(), '--yes']);
    expect(ended.exitCode).toBe(3);
    expect(ended.stdout).toContain('etcdctl user revoke-role sensu other');
  });
});

describe('what cannot be done ends with its own code, and changes nothing', () => {
  test.each([
    ['a password missing', 2, 'PASSWORD_MISSING', async () => rbac(['apply', '--yes'])],
    ['a password file missing', 2, 'SECRET_FILE_UNUSABLE', async () => rbac(['apply', ...both(), '--yes'])],
    [
      'an empty password',
      2,
      'SECRET_FILE_UNUSABLE',
      async () => rbac(['apply', '--sensu-password-file', '-', '--yes'], { input: '\n' }),
    ],
    [
      'a password too long for bcrypt',
      2,
      'PASSWORD_TOO_LONG',
      async () => rbac(['apply', '--sensu-password-file', '-', '--yes'], { input: 'x'.repeat(73) }),
    ],
    [
      'two passwords from standard input',
      2,
      'STANDARD_INPUT_TWICE',
      async () => rbac(['apply', '--sensu-password-file', '-', '--root-password-file', '-', '--yes']),
    ],
    ['an unknown profile', 2, 'Allowed choices', async () => rbac(['apply', '--profile', 'most', '--yes'])],
  ])('%s', async (_what, exitCode, code, run) => {
    const ended = await run();
    expect(ended.exitCode).toBe(exitCode);
    expect(ended.stderr).toContain(code);
    const { auth } = await etcd.connect();
    expect([await auth.users(), await auth.roles()]).toEqual([[], []]);
  });

  test('root: not given, and wrong, with auth on', async () => {
    await writePasswords();
    await rbac(['apply', ...both(), '--enable-auth', '--yes']);
    const sensu = {
      SENSU_BACKEND_ETCD_CLIENT_USERNAME: 'sensu',
      SENSU_BACKEND_ETCD_CLIENT_PASSWORD: 'sensu-secret',
    };
    for (const env of [{}, sensu]) {
      expect(await rbac(['plan'], { env })).toMatchObject({
        exitCode: 12,
        stderr: expect.stringContaining('ETCD_ROOT_NEEDED') as string,
      });
    }
    await writeFile(rootFile, 'wrong-secret');
    await chmod(rootFile, 0o644);
    const wrong = await rbac(['plan', ...both()]);
    expect(wrong.exitCode).toBe(12);
    expect(wrong.stderr).toContain('ETCD_LOGIN_REFUSED');
    expect(wrong.stderr).toContain('can be read by other users');
    expect(wrong.stderr).not.toContain('-secret');
  });
});

describe('rbac verify', () => {
  test('an integrity failure names the grant; with auth off it is a warning at best', async () => {
    await writePasswords();
    await rbac(['apply', ...both(), '--yes']);
    const off = await rbac(['verify', '--sensu-password-file', sensuFile]);
    expect(off.exitCode).toBe(3);
    expect(off.stdout).toContain('Nothing is enforced');
    await rbac(['apply', ...both(), '--enable-auth', '--yes']);
    const root = await etcd.connect({ credentials: { username: 'root', password: 'root-secret' } });
    await root.auth.revokePermission('sensu_readwrite', { key: Buffer.from('/sensu.io') });
    const failed = await rbac(['verify', '--sensu-password-file', sensuFile, '--json']);
    expect(failed.exitCode).toBe(13);
    const { checks } = JSON.parse(failed.stdout) as RbacVerification;
    expect(checks.flatMap(({ missingGrant }) => missingGrant ?? [])).toEqual(['read /sensu.io']);
  });
});
