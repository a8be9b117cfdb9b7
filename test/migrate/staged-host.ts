import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Context } from '../../src/core/context.js';
import { connect } from '../../src/etcd/connect.js';
import { stageBackend, stageConfiguration, type StagedBackend } from '../../src/demo/stage.js';
import { startWriter, type Writer } from '../../src/demo/writer.js';
import type { RecordedSettings } from '../../src/migrate/settings.js';
import { createApiClient } from '../../src/sensu/api/client.js';
import { createProcessRunner } from '../../src/host/process-runner.js';
import { createServiceControl } from '../../src/host/service-control.js';
import { prefixRange } from '../../src/store/sensu-root.js';
import { etcdBinaries, etcdVersion, type RunningEtcd } from '../support/etcd.js';

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** A backend on a recorded store, running, and everything a migration of it needs. */
export interface StagedHost {
  readonly folder: string;
  readonly staged: StagedBackend;
  readonly settings: RecordedSettings & { readonly apiKeyFile: string };
  readonly runDirectory: string;
  readonly writer: Writer;
  /** Options of `migrate embedded-to-external` for the settings. */
  readonly args: readonly string[];
  /** Whether the API answers, and on which etcd its store is. */
  servedStore(): Promise<'embedded' | 'external' | 'none'>;
}

/** Contexts of tests say nothing, and run real commands. */
export function testContext(signal = new AbortController().signal): Context & { readonly said: string[] } {
  const said: string[] = [];
  return {
    said,
    signal,
    clock: { now: () => new Date() },
    report: { info: (line) => said.push(line), warn: (line) => said.push(line), progress: () => undefined },
    env: process.env,
    processes: createProcessRunner(process.env),
  };
}

const binaries = etcdBinaries(etcdVersion);
let template: Promise<string> | undefined;

/** Unpacking the recorded folders and making one member of three takes a while, so it is done once. */
async function recordedState(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-template-'));
  // No asynchronous work is done any more at the exit.
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
  await stageBackend(join(folder, 'backend'), binaries);
  return join(folder, 'backend', 'state');
}

/** Stages a host and starts its backend; everything ends with the test. */
export async function startHost(
  target: Pick<RunningEtcd, 'endpoints' | 'tls'>,
  overrides: Partial<RecordedSettings> = {},
  etcdFlags: readonly string[] = [],
): Promise<StagedHost> {
  template ??= recordedState();
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-host-'));
  const directory = join(folder, 'backend');
  await mkdir(directory, { mode: 0o700 });
  await cp(await template, join(directory, 'state'), { recursive: true });
  const staged = await stageConfiguration(directory, join(directory, 'state'), binaries);
  if (etcdFlags.length > 0) await wrapEtcd(directory, etcdFlags);
  const settings: StagedHost['settings'] = {
    ...(await settingsFor(staged, folder, target)),
    ...overrides,
    apiKeyFile: join(folder, 'api-key'),
  };
  const service = createServiceControl(testContext(), staged);
  onTestFinished(async () => {
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  });
  await service.start();
  await untilAnswers(staged);
  await writeApiKey(staged, settings.apiKeyFile);
  const writer = await startWriter([staged.clientUrl]);
  return {
    folder,
    staged,
    settings,
    runDirectory: join(folder, 'run'),
    writer,
    args: argumentsOf(settings, join(folder, 'run')),
    servedStore: () => servedStore(staged),
  };
}

/** Gives the embedded etcd more flags, and leaves its process id in `etcd-pid`. */
async function wrapEtcd(directory: string, flags: readonly string[]): Promise<void> {
  const wrapper = join(directory, 'etcd');
  const lines = [
    '#!/bin/sh',
    `echo $$ > '${directory}/etcd-pid'`,
    `exec '${binaries.etcd}' "$@" ${flags.join(' ')}`,
  ];
  await writeFile(wrapper, lines.join('\n'), { mode: 0o700 });
  await writeFile(join(directory, 'etcd-binary'), wrapper);
}

async function settingsFor(
  staged: StagedBackend,
  folder: string,
  target: Pick<RunningEtcd, 'endpoints' | 'tls'>,
): Promise<RecordedSettings> {
  const write = async (name: string, content: string | Buffer): Promise<string> => {
    await writeFile(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };
  const { tls } = target;
  return {
    backendConfig: staged.backendConfig,
    envFile: staged.envFile,
    endpoints: [...target.endpoints],
    tls: {
      ...(tls?.ca && { cacert: await write('ca.pem', tls.ca) }),
      ...(tls?.cert && { cert: await write('client.pem', tls.cert) }),
      ...(tls?.key && { key: await write('client-key.pem', tls.key) }),
    },
    sourceTls: {},
    stopCommand: staged.stopCommand,
    startCommand: staged.startCommand,
    apiUrl: staged.apiUrl,
    rootPasswordFile: await write('root-password', 'root "secret" of $the test\n'),
    // The certificate of `startEtcd` has this CN.
    ...(tls?.cert
      ? { auth: 'certificate', etcdUser: 'client' }
      : {
          ...{ auth: 'password', etcdUser: 'sensu' },
          sensuPasswordFile: await write('sensu-password', "sensu's `secret` of the \\ test #1\n"),
        }),
    profile: 'documented',
    enableAuth: true,
    configOnly: false,
    startTimeoutSeconds: 90,
    watchSeconds: 0,
  };
}

function argumentsOf(settings: StagedHost['settings'], runDirectory: string): string[] {
  const { tls } = settings;
  return [
    ...['migrate', 'embedded-to-external'],
    ...['--backend-config', settings.backendConfig, '--env-file', settings.envFile],
    ...['--endpoints', settings.endpoints.join(',')],
    ...(tls.cacert === undefined ? [] : ['--cacert', tls.cacert]),
    ...(tls.cert === undefined ? [] : ['--cert', tls.cert]),
    ...(tls.key === undefined ? [] : ['--key', tls.key]),
    ...['--root-password-file', settings.rootPasswordFile!],
    ...(settings.sensuPasswordFile === undefined
      ? []
      : ['--sensu-password-file', settings.sensuPasswordFile]),
    ...(settings.auth === 'password' ? [] : ['--auth', settings.auth, '--etcd-user', settings.etcdUser]),
    ...['--enable-auth', ...(settings.configOnly ? ['--config-only'] : [])],
    ...(settings.logFile === undefined ? [] : ['--log-file', settings.logFile]),
    ...['--stop-command', settings.stopCommand, '--start-command', settings.startCommand],
    ...['--api-url', settings.apiUrl!, '--api-key-file', settings.apiKeyFile],
    ...['--start-timeout', '90', '--watch', `${settings.watchSeconds}s`, '--run-dir', runDirectory, '--yes'],
  ];
}

async function untilAnswers(staged: StagedBackend): Promise<void> {
  const giveUpAt = performance.now() + 90_000;
  while ((await servedStore(staged)) === 'none') {
    if (performance.now() > giveUpAt) {
      const log = await readFile(join(staged.directory, 'backend.log'), 'utf8');
      throw new Error(`The double does not answer: ${log.slice(-2000)}`);
    }
    await sleep(50);
  }
}

async function servedStore(staged: StagedBackend): Promise<'embedded' | 'external' | 'none'> {
  try {
    await createApiClient({ url: staged.apiUrl, timeoutMs: 15_000 }).version();
  } catch {
    return 'none';
  }
  const embedded = await connect({ endpoints: [staged.clientUrl] }).catch(() => undefined);
  await embedded?.close();
  return embedded === undefined ? 'external' : 'embedded';
}

async function writeApiKey(staged: StagedBackend, path: string): Promise<void> {
  const client = await connect({ endpoints: [staged.clientUrl] });
  const { entries } = await client.range({ ...prefixRange(Buffer.from('/sensu.io/apikeys/')), limit: 1 });
  await client.close();
  await writeFile(path, entries[0]!.key.toString('utf8').split('/').at(-1)!, { mode: 0o600 });
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built program; ended with the test at the latest. */
export function runFerry(
  args: readonly string[],
  stdin: 'ignore' | 'pipe' = 'ignore',
  env: Readonly<Record<string, string>> = {},
): { child: ChildProcess; finished: Promise<Finished> } {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: [stdin, 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout!.on('data', (part: Buffer) => (output.stdout += part.toString()));
  child.stderr!.on('data', (part: Buffer) => (output.stderr += part.toString()));
  onTestFinished(() => void child.kill('SIGKILL'));
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }));
  return { child, finished };
}

/** Waits until the journal says so. */
export async function untilJournalled(runDirectory: string, step: string, state = 'started'): Promise<void> {
  const giveUpAt = performance.now() + 180_000;
  const wanted = new RegExp(`"type":"${state}"[^\\n]*"step":"${step}"`);
  for (;;) {
    const journal = await readFile(join(runDirectory, 'journal.ndjson'), 'utf8').catch(() => '');
    if (wanted.test(journal)) return;
    if (performance.now() > giveUpAt)
      throw new Error(`The journal never says that ${step} was ${state}: ${journal}`);
    await sleep(2);
  }
}
