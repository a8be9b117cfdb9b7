import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sensuRoot } from '../../src/store/sensu-root.js';
import { startEtcd, type RunningEtcd } from '../support/etcd.js';
import {
  expectFailure,
  expectNoTrace,
  ferry,
  fixture,
  shell,
  startOnTerminal,
  testFolder,
  untilSaid,
  type Ended,
} from '../support/ferry.js';

const snapshot = fixture('cluster3-6.12.0/snapshot.db');
const keys = 768;

let etcd: RunningEtcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(() => etcd.stop());

async function emptyTarget(): Promise<void> {
  const client = await etcd.connect();
  for (const id of await client.leaseIds()) await client.revokeLease(id);
  const { entries } = await client.range({ ...sensuRoot, keysOnly: true });
  for (const { key } of entries) await client.txn({ writes: [{ type: 'delete', key }] });
}

const keysOnTarget = async (): Promise<bigint> =>
  (await (await etcd.connect()).range({ ...sensuRoot, countOnly: true })).count;

const restore = (): readonly string[] => [
  ...['restore', 'etcd', '--from', snapshot, '--endpoints', etcd.endpoint],
  '--yes',
];

/** Sets up the user sensu anew each time, which says a line for each step. */
async function rbacApply(more: readonly string[]): Promise<Ended> {
  const { auth } = await etcd.connect();
  for (const user of await auth.users()) await auth.deleteUser(user);
  for (const role of await auth.roles()) await auth.deleteRole(role);
  const folder = await testFolder();
  const file = join(folder, 'password');
  await writeFile(file, 'password-of-sensu\n');
  await chmod(file, 0o644);
  const connection = ['--endpoints', etcd.endpoint, '--sensu-password-file', file];
  return ferry(['rbac', 'apply', ...connection, '--yes', ...more]);
}

const linesOf = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);

describe('what goes where', () => {
  it('results go to standard output, talk and warnings to standard error', async () => {
    const ended = await rbacApply([]);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/^Done: \d changes made\..*\n$/m);
    expect(ended.stderr).toMatch(/^1\/\d .+$/m);
    expect(ended.stderr).toMatch(/^warning: .+can be read by other users/m);
  });

  it('--quiet leaves warnings alone on standard error', async () => {
    const ended = await rbacApply(['--quiet']);
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Done: /m) as string });
    expect(ended.stderr).toMatch(/^warning: [^\n]+\n$/);
    const asJson = await rbacApply(['--quiet', '--progress', 'json']);
    expect(linesOf(asJson.stderr)).toEqual([
      { type: 'warning', message: expect.stringContaining('other users') as string },
    ]);
  });

  it('--json prints one document; --progress json makes the talk one object a line', async () => {
    const plain = await rbacApply(['--json']);
    expect(JSON.parse(plain.stdout)).toMatchObject({ applied: true });
    expect(plain.stderr).toMatch(/^1\/\d /m);
    const ended = await rbacApply(['--json', '--progress', 'json']);
    expect(JSON.parse(ended.stdout)).toMatchObject({ applied: true });
    const events = linesOf(ended.stderr) as { type: string; message: string }[];
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['warning', 'info']));
    expect(events.filter(({ message }) => message.startsWith('1/'))).toHaveLength(1);
  });

  it('--progress json tells how far a task has come', async () => {
    await emptyTarget();
    const ended = await ferry([...restore(), '--progress', 'json']);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/^Restored 768 keys /);
    const events = linesOf(ended.stderr);
    expect(events).toContainEqual({
      type: 'progress',
      task: 'Loading',
      unit: 'keys',
      done: keys,
      total: keys,
    });
  });

  it('without a terminal there is no bar and no escape sequence', async () => {
    await emptyTarget();
    const ended = await ferry(restore(), { env: { TERM: 'xterm-256color', FORCE_COLOR: '1' } });
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).not.toContain('\u001b');
  });
});

describe('a failure', () => {
  const nowhere = ['--endpoints', 'http://127.0.0.1:1'];
  const cases: (readonly [number, string, readonly string[]])[] = [
    [2, 'USAGE', ['snapshot', 'inspect']],
    [2, 'USAGE', ['restore', 'etcd', '--no-such-option']],
    [2, 'USAGE', ['snapshot', 'inspect', 'a', '--progress', 'bar']],
    [2, 'FORMAT_UNKNOWN', ['snapshot', 'save', '--to', '/', '--format', 'zip', ...nowhere]],
    [2, 'ENDPOINTS_MISSING', ['rbac', 'plan']],
    [2, 'RUN_UNREADABLE', ['migrate', 'rollback', '--run-dir', '/none']],
    [10, 'SOURCE_UNREADABLE', ['snapshot', 'inspect', '/none']],
    [15, 'ENDPOINT_REFUSED', ['snapshot', 'save', '--to', '/', ...nowhere]],
    [15, 'ENDPOINT_REFUSED', ['rbac', 'verify', ...nowhere, '--sensu-password-file', '-']],
  ];

  it.each(cases)(
    '%d %s is one document for --json, and words on standard error',
    async (code, name, args) => {
      const ended = await ferry([...args, '--json'], { input: 'password' });
      expect(ended.code).toBe(code);
      expect(JSON.parse(ended.stdout)).toEqual({
        error: {
          code: name,
          message: expect.stringMatching(/^\S.+/) as string,
          hint: expect.stringMatching(/^\S.+/) as string,
        },
      });
      expect(ended.stderr).toMatch(/^error: \S/);
      expectNoTrace(ended);
    },
  );

  it('is an event for --progress json', async () => {
    const ended = await ferry(['snapshot', 'inspect', '/none', '--progress', 'json']);
    expect(ended).toMatchObject({ code: 10, stdout: '' });
    expect(linesOf(ended.stderr)).toEqual([
      {
        type: 'error',
        code: 'SOURCE_UNREADABLE',
        message: '/none cannot be read (ENOENT).',
        hint: 'Check the path.',
      },
    ]);
  });

  it('is one line with --quiet', async () => {
    expect(await ferry(['snapshot', 'inspect', '/none', '--quiet'])).toEqual({
      ...{ code: 10, stdout: '' },
      stderr: 'error: /none cannot be read (ENOENT). [SOURCE_UNREADABLE]\n',
    });
  });

  it('shows where it came from with SENSU_FERRY_DEBUG only', async () => {
    const [debug, plain] = await Promise.all([
      ferry(['snapshot', 'inspect', '/none'], { env: { SENSU_FERRY_DEBUG: '1' } }),
      ferry(['snapshot', 'inspect', '/none']),
    ]);
    expect(debug).toMatchObject({ code: 10, stdout: '' });
    expect(debug.stderr).toMatch(
      /^error: .*\nhint: .*\nFerryError SOURCE_UNREADABLE\n {4}at .*dist\/at-rest\//,
    );
    expect(debug.stderr).toMatch(/^caused by Error ENOENT$/m);
    expectNoTrace(plain);
  });
});

describe('a reader that goes away', () => {
  it('`| head` is no failure', async () => {
    const { code, stdout, stderr } = await shell(
      `ferry snapshot inspect '${snapshot}' | head -c 1; echo " \${PIPESTATUS[0]}"`,
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '/ 0\n', stderr: '' });
  });

  it.each([
    ['a result', 0, `snapshot inspect '${snapshot}'`, ''],
    ['JSON', 0, `snapshot inspect '${snapshot}' --json`, ''],
    ['help', 0, '--help', ''],
    // The trap: EPIPE once turned every exit code into 0.
    ['a failure', 10, 'snapshot inspect /none --json', '[SOURCE_UNREADABLE]'],
  ])('before anything is printed changes nothing about %s', async (_what, code, line, said) => {
    // The pause lets `true` end first.
    const ended = await shell(`{ sleep 0.3; ferry ${line}; echo "ended with $?" >&2; } | true`);
    expect(ended.stderr).toContain(`ended with ${code}\n`);
    expect(ended.stderr).toContain(said);
    expectNoTrace(ended);
  });

  // The trap: an error of a stream that nobody listens to ends the program in the middle of its work.
  it('from standard error does not stop the work', async () => {
    await emptyTarget();
    const code = join(await testFolder(), 'code');
    const command = restore()
      .map((word) => `'${word}'`)
      .join(' ');
    await shell(`{ sleep 0.3; ferry ${command} --progress json; echo $? >'${code}'; } 2>&1 | true`);
    expect(await readFile(code, 'utf8')).toBe('0\n');
    expect(await keysOnTarget()).toBe(BigInt(keys));
  });

  it('a result that does not fit on the disk is a failure', async () => {
    const ended = await shell(`ferry snapshot inspect '${snapshot}' --json > /dev/full`);
    expectFailure(ended, 1, 'RESULT_NOT_WRITTEN');
  });
});

describe('on a terminal', () => {
  const isColoured = (text: string): boolean =>
    text
      .split('\u001b')
      .slice(1)
      .some((part) => /^\[\d+(;\d+)*m/.test(part));

  async function save(terminal: Parameters<typeof startOnTerminal>[1]): Promise<string> {
    const folder = await testFolder();
    const args = ['snapshot', 'save', '--endpoints', etcd.endpoint, '--to', folder];
    const { code, stdout } = await startOnTerminal(args, terminal).finished;
    expect(code).toBe(0);
    expect(stdout).toContain('.sferry');
    return stdout;
  }

  it('progress is coloured, unless NO_COLOR is set', async () => {
    const bright = await save({});
    expect(isColoured(bright)).toBe(true);
    expect(bright).toContain('Snapshot: ');
    const plain = await save({ env: { NO_COLOR: '1' } });
    expect(isColoured(plain)).toBe(false);
    expect(plain).toContain('Snapshot: ');
    // An empty one counts as none: https://no-color.org
    expect(isColoured(await save({ env: { NO_COLOR: '' } }))).toBe(true);
  });

  it.each([
    ['that cannot move its cursor', { env: { TERM: 'dumb' } }],
    ['of a build server', { env: { CI: 'true' } }],
    // The trap: ora clears endless lines on a terminal of no width, such as `docker exec` gives.
    ['of no width', { columns: 0 }],
  ])('%s there is no progress', async (_what, terminal) => {
    const said = await save(terminal);
    expect(said).not.toContain('\u001b');
    expect(said).not.toContain('Snapshot: ');
  });

  it('with --quiet there is no progress', async () => {
    const args = ['snapshot', 'inspect', snapshot, '--quiet'];
    const { code, stdout } = await startOnTerminal(args).finished;
    expect({ code, escapes: stdout.includes('\u001b') }).toEqual({ code: 0, escapes: false });
  });

  it.each([
    ['n', 'n\n', 14, '[NOT_CONFIRMED]'],
    ['nothing', '\n', 14, '[NOT_CONFIRMED]'],
    // The trap: after Ctrl-D, and at Ctrl-C, readline leaves the question unanswered for ever.
    ['Ctrl-D', '\u0004', 14, '[NOT_CONFIRMED]'],
    ['Ctrl-C', '\u0003', 130, '[INTERRUPTED]'],
  ])('who answers %s to the question has nothing changed', async (_what, typed, code, said) => {
    await emptyTarget();
    const running = startOnTerminal(restore().filter((word) => word !== '--yes'));
    await untilSaid(running, /Go on and write to this etcd\? \[y\/N\]/);
    running.child.stdin!.write(typed);
    const ended = await running.finished;
    expect(ended).toMatchObject({ code, stdout: expect.stringContaining(said) as string });
    expectNoTrace(ended);
    expect(await keysOnTarget()).toBe(0n);
  });

  it('who answers y has it done', async () => {
    await emptyTarget();
    const running = startOnTerminal(restore().filter((word) => word !== '--yes'));
    await untilSaid(running, /\[y\/N\]/);
    running.child.stdin!.write('y\n');
    expect((await running.finished).code).toBe(0);
    expect(await keysOnTarget()).toBe(BigInt(keys));
  });
});
