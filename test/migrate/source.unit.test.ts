import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Context } from '../../src/core/context.js';
import type { RecordedSettings } from '../../src/migrate/settings.js';
import { findSource } from '../../src/migrate/source.js';

/** A host whose systemctl shows a unit with these environment files; the first of its files is `--env-file`. */
async function findingsWith(
  unitFiles: 'no unit' | ((folder: string) => readonly string[]),
  files: Readonly<Record<string, string>> = {},
  startCommand = 'systemctl start sensu-backend',
  auth: RecordedSettings['auth'] = 'password',
): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-source-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const at = (name: string): string => join(folder, name);
  for (const [name, text] of Object.entries({ 'backend.yml': 'etcd-name: a\n', ...files })) {
    await writeFile(at(name), text);
  }
  const lines = (unitFiles === 'no unit' ? [] : unitFiles(folder)).map((path) => `EnvironmentFile=-${path}`);
  const unit = `[Service]\nExecStart=/usr/sbin/sensu-backend start\n${lines.join('\n')}\n`;
  const answer = Promise.resolve({ exitCode: unitFiles === 'no unit' ? 1 : 0, stdout: unit, stderr: '' });
  const context: Context = {
    signal: new AbortController().signal,
    clock: { now: () => new Date() },
    report: { info: () => undefined, warn: () => undefined, progress: () => undefined },
    env: {},
    processes: { run: () => answer, shell: () => answer },
  };
  const settings: RecordedSettings = {
    backendConfig: at('backend.yml'),
    envFile: at('default'),
    endpoints: ['http://127.0.0.1:1'],
    tls: {},
    sourceTls: {},
    stopCommand: 'true',
    startCommand,
    auth,
    etcdUser: 'sensu',
    sensuPasswordFile: at('password'),
    profile: 'documented',
    enableAuth: false,
    configOnly: false,
    startTimeoutSeconds: 60,
    watchSeconds: 0,
  };
  const { findings } = await findSource(context, settings);
  return findings.map(({ severity, code }) => `${severity} ${code}`);
}

const password = 'SENSU_BACKEND_ETCD_CLIENT_PASSWORD=other\n';
const inFolder =
  (...names: readonly string[]) =>
  (folder: string): string[] =>
    names.map((name) => join(folder, name));

describe('the environment file that the unit of the backend', () => {
  it('reads is taken, whether or not it is there yet', async () => {
    expect(await findingsWith(inFolder('default', 'sysconfig'))).toEqual([]);
    expect(await findingsWith(inFolder('default', 'sysconfig'), { sysconfig: 'A=1\n' })).toEqual([]);
    expect(await findingsWith(inFolder('sysconfig', 'default'), { sysconfig: password })).toEqual([]);
  });

  it('does not read is refused: the backend would come up without its user', async () => {
    expect(await findingsWith(inFolder('sysconfig'))).toEqual(['refusal ENVIRONMENT_FILE_NOT_READ']);
    expect(await findingsWith(inFolder())).toEqual(['refusal ENVIRONMENT_FILE_NOT_READ']);
    expect(await findingsWith(inFolder('sysconfig'), {}, '/etc/init.d/sensu-backend start')).toEqual([
      'warning ENVIRONMENT_FILE_NOT_READ',
    ]);
  });

  it('would read is not known without systemd: then a name that is not there may be a slip', async () => {
    const start = '/etc/init.d/sensu-backend start';
    expect(await findingsWith('no unit', {}, start)).toEqual(['warning ENVIRONMENT_FILE_MISSING']);
    expect(await findingsWith('no unit', { default: 'A=1\n' }, start)).toEqual([]);
  });

  it.each(['certificate', 'none'] as const)('needs to read for --auth %s is none', async (auth) => {
    expect(await findingsWith('no unit', {}, '/etc/init.d/sensu-backend start', auth)).toEqual([]);
    expect(await findingsWith(inFolder(), {}, undefined, auth)).toEqual([]);
  });

  it('outranks by a later one is refused when that sets the user too', async () => {
    expect(await findingsWith(inFolder('default', 'sysconfig'), { sysconfig: password })).toEqual([
      'refusal ENVIRONMENT_OUTRANKED',
    ]);
  });

  it('has in the place of a file is said, and not waited for', async () => {
    const reading = findingsWith((folder) => [folder]);
    await expect(reading).rejects.toMatchObject({ code: 'ENVIRONMENT_FILE_UNUSABLE', kind: 'usage' });
  });

  it('names by a pattern cannot be told, and is no finding', async () => {
    expect(await findingsWith(inFolder('sensu-*'))).toEqual([]);
    expect(await findingsWith(() => ['/etc/default/%p'])).toEqual([]);
  });
});
