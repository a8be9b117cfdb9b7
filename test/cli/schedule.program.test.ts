import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { enableAuth, startEtcd, type RunningEtcd } from '../support/etcd.js';
import { expectFailure, ferry, program, shell, testFolder } from '../support/ferry.js';

let etcd: RunningEtcd;

beforeAll(async () => {
  etcd = await startEtcd();
  const client = await etcd.connect();
  const put = (key: string, value: Buffer) => ({ type: 'put' as const, key: Buffer.from(key), value });
  const version = put('/sensu.io/sensu_database_version', Buffer.from('2'));
  await client.txn({ writes: [put('/sensu.io/noise', randomBytes(100_000)), version] });
  await enableAuth(etcd, 'secret-of-root');
});

afterAll(() => etcd.stop());

const keep = [
  ...['--keep-last', '2', '--keep-daily', '7', '--keep-weekly', '5', '--keep-monthly', '12'],
  ...['--keep-within', '30d'],
];

interface Scheduled {
  /** Its name must be quoted. */
  readonly folder: string;
  readonly stdout: string;
}

/** A backup with a password file, as `form` prints it. `top` is what the paths in it begin with. */
async function schedule(form: string, top = ''): Promise<Scheduled> {
  const folder = await testFolder();
  const run = join(folder, 'sensu-ferry');
  await writeFile(run, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, { mode: 0o700 });
  await writeFile(join(folder, 'password'), 'secret-of-root\n', { mode: 0o600 });
  await mkdir(join(folder, 'of $HOME 100%'));
  const at = (name: string): string => join(top === '' ? folder : top, name);
  const login = ['--user', 'root', '--password-file', at('password')];
  const more = ['--timeout', '5m', '--textfile', at('ferry.prom'), '--name', 'nightly'];
  const save = ['--endpoints', etcd.endpoint, ...login, '--to', at('of $HOME 100%'), ...more];
  const args = ['snapshot', 'schedule', form, '--program', run, ...keep, '--', ...save];
  const { code, stdout, stderr } = await ferry(args);
  // The folder is that of another machine.
  const remark = top === '' ? '' : (expect.stringMatching(/^warning: There is no folder .*\n$/) as string);
  expect({ code, stderr }).toEqual({ code: 0, stderr: remark });
  expect(stdout).not.toContain('secret-of-root');
  return { folder: join(folder, 'of $HOME 100%'), stdout };
}

const silent = { code: 0, stdout: '', stderr: '' };

describe('what snapshot schedule prints', () => {
  it('--cron: a line that runs, and prints nothing', async () => {
    const { folder, stdout } = await schedule('--cron');
    const line = stdout.split('\n').find((text) => !text.startsWith('#'))!;
    const command = line.replace(/^15 4 \* \* \* root /, '').replaceAll('\\%', '%');
    expect(await shell(command)).toEqual(silent);
    expect(await readdir(folder)).toEqual([
      expect.stringMatching(/^nightly-.*\.sferry$/),
      expect.stringMatching(/^nightly-.*\.sferry\.verified\.json$/),
    ]);
  });

  it('--sensu-check: two commands that run', async () => {
    const { stdout } = await schedule('--sensu-check');
    const documents = parseAllDocuments(stdout).map((document) => document.toJS() as object);
    const [save, age] = documents as { spec: { command: string } }[];
    expect((await shell(age!.spec.command)).code).toBe(2);
    expect(await shell(save!.spec.command)).toEqual(silent);
    expect(await shell(age!.spec.command)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^SNAPSHOT OK - /) as string,
    });
  });

  it('--systemd: commands that run on the credentials that the unit loads', async () => {
    const top = '/var/backups/sensu-ferry-test';
    const { folder, stdout } = await schedule('--systemd', top);
    const settings = stdout.split('\n').map((line) => /^(\w+)=(.*)$/.exec(line)?.slice(1) ?? []);
    const valuesOf = (name: string): string[] =>
      settings.flatMap(([key, value]) => (key === name ? [value!] : []));
    const here = join(folder, '..');
    const credentials = await testFolder();
    for (const credential of valuesOf('LoadCredential')) {
      const [id, path] = credential.split(':');
      const secret = await readFile(path!.replaceAll('%%', '%').replace(top, here));
      await writeFile(join(credentials, id!), secret, { mode: 0o400 });
    }
    const commands = valuesOf('ExecStart').map((line) =>
      wordsOf(line, credentials).map((word) => word.replace(top, here)),
    );
    expect(commands).toHaveLength(2);
    for (const words of commands) {
      const command = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
      expect(await shell(command)).toEqual(silent);
    }
    expect(await readdir(folder)).toHaveLength(2);
    const places = valuesOf('ReadWritePaths').map((value) => value.replaceAll('"', '').replaceAll('%%', '%'));
    expect(places).toEqual([`-${top}/of $HOME 100%`, `-${top}`]);
  });
});

/** The words of an `ExecStart=`, as systemd.service(5) has it: quotes, `$$`, `%%`, and `%d` for the credentials. */
function wordsOf(line: string, credentials: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare]) =>
    (quoted?.replace(/\\(.)/g, '$1') ?? bare!)
      .replaceAll('$$', '$')
      .replace(/%([%d])/g, (_all, letter) => (letter === '%' ? '%' : credentials)),
  );
}

describe('snapshot schedule refuses what cannot run unattended', () => {
  const good = ['--endpoints', 'https://etcd-1:2379', '--to', '/var/backups/sensu'];
  it.each([
    ['DESTINATION_MISSING', good.slice(0, 2)],
    ['DESTINATION_MISSING', [...good.slice(0, 2), '--to', '-']],
    ['OPTION_EMPTY', [...good, '--to', '']],
    ['PATH_RELATIVE', [...good, '--to', 'backups']],
    ['PATH_RELATIVE', [...good, '--to', '~/backups']],
    ['PATH_RELATIVE', [...good, '--textfile=metrics.prom']],
    ['PATH_RELATIVE', [...good, '--cacert', 'ca.pem']],
    ['PATH_RELATIVE', [...good, '--passphrase-file', './phrase']],
    ['ENDPOINTS_MISSING', good.slice(2)],
    ['NOBODY_TO_ASK', [...good, '--passphrase-file', '-']],
    ['NOBODY_TO_ASK', [...good, '--user', 'root', '--password-file=-']],
    ['SECRET_IN_ARGUMENTS', [...good, '--user', 'root:secret']],
    ['SECRET_IN_ARGUMENTS', ['--endpoints', 'http://root:secret@etcd-1:2379', ...good.slice(2)]],
    ['SECRET_IN_ARGUMENTS', [...good, '--s3-endpoint', 'https://key:secret@minio']],
    ['SECRET_IN_ARGUMENTS', [...good, '--recipient', 'AGE-SECRET-KEY-1SECRET']],
    ['VERIFY_UNUSABLE', [...good, '--verify', '--recipient', 'age1x']],
    ['SAVE_OPTION_UNUSABLE', [...good, '--json']],
    ['SAVE_OPTION_UNUSABLE', [...good, '--progress', 'json']],
    ['SAVE_OPTION_UNUSABLE', [...good, '--progress', 'nonsense']],
    ['SAVE_OPTION_UNUSABLE', [...good, '--name']],
    ['SAVE_OPTION_UNKNOWN', [...good, '--nonsense']],
    ['SAVE_OPTION_UNKNOWN', [...good, 'stray']],
    ['DURATION_UNUSABLE', [...good, '--timeout', 'soon']],
    ['WORD_UNUSABLE', [...good, '--name', 'two\nlines']],
    ['WORD_UNUSABLE', [...good, '--name', 'hid\u202eden']],
  ])('%s: %j', async (name, save) => {
    const ended = await ferry(['snapshot', 'schedule', '--cron', '--', ...save]);
    expectFailure(ended, 2, name);
    expect(ended.stderr).not.toMatch(/root:secret|key:secret|1SECRET/);
    expect(ended.stdout).toBe('');
  });

  it('two forms at once, a time that is none, and a program that is no path', async () => {
    const failing = (...args: readonly string[]): ReturnType<typeof ferry> =>
      ferry(['snapshot', 'schedule', ...args, '--', ...good]);
    expectFailure(await failing(), 2, 'FORM_MISSING');
    expectFailure(await failing('--cron', '--systemd'), 2, 'FORM_MISSING');
    expectFailure(await failing('--cron', '--at', '25:00'), 2, 'TIME_UNUSABLE');
    expectFailure(await failing('--cron', '--program', 'sensu-ferry'), 2, 'PROGRAM_UNUSABLE');
  });
});
