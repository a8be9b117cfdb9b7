import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extract } from 'tar';
import { identifyThisProcess } from '../host/process-identity.js';
import type { EtcdBinaries } from '../etcd/throwaway/binaries.js';
import { freePorts } from '../etcd/throwaway/free-ports.js';
import { startThrowawayEtcd } from '../etcd/throwaway/throwaway.js';

/** A host with one embedded backend, in a directory of its own. */
export interface StagedBackend {
  readonly directory: string;
  readonly backendConfig: string;
  readonly envFile: string;
  readonly dataDirectory: string;
  readonly clientUrl: string;
  readonly apiUrl: string;
  readonly startCommand: string;
  readonly stopCommand: string;
}

const packageRoot = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

/** What is read of it ships with the package: see `files` in package.json. */
const recorded = join(packageRoot, 'fixtures', 'cluster3-6.12.0');

/** The module lies at other depths in `src`, in `dist`, and in what the benchmark is compiled to. */
function findPackageRoot(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : findPackageRoot(dirname(directory));
}

/**
 * Lays out the recorded `etcd/data` and `etcd/wal` of a real 6.12 backend as that of a single one, with its
 * recorded configuration on free ports of 127.0.0.1, and the commands that start and stop the double on it.
 */
export async function stageBackend(directory: string, binaries: EtcdBinaries): Promise<StagedBackend> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const stateDirectory = join(directory, 'state');
  await mkdir(stateDirectory, { mode: 0o700 });
  await extract({ file: join(recorded, 'stopped', 'backend-1.tar.gz'), cwd: stateDirectory });
  await makeSingleMember(join(stateDirectory, 'etcd'), binaries);
  return stageConfiguration(directory, stateDirectory, binaries);
}

/** A recorded member knows two others, without which it would never serve. */
async function makeSingleMember(etcdDirectory: string, binaries: EtcdBinaries): Promise<void> {
  const etcd = await startThrowawayEtcd({
    binaries,
    existing: { dataDir: join(etcdDirectory, 'data'), walDir: join(etcdDirectory, 'wal') },
    forceNewCluster: true,
  });
  await etcd.members[0]!.stop();
  await etcd.stop();
}

/** Configuration and commands for a backend on a state directory that is there, or is made at its start. */
export async function stageConfiguration(
  directory: string,
  stateDirectory: string,
  binaries: EtcdBinaries,
): Promise<StagedBackend> {
  const [clientPort, peerPort, apiPort] = await freePorts(3);
  const clientUrl = `http://127.0.0.1:${clientPort!}`;
  const peerUrl = `http://127.0.0.1:${peerPort!}`;
  const apiUrl = `http://127.0.0.1:${apiPort!}`;
  const backendConfig = join(directory, 'backend.yml');
  const envFile = join(directory, 'environment');
  const recordedConfig = await readFile(join(recorded, 'backend-1.yml'), 'utf8');
  await writeFile(
    backendConfig,
    adapt(recordedConfig, {
      'state-dir': stateDirectory,
      'api-listen-address': `127.0.0.1:${apiPort!}`,
      'api-url': apiUrl,
      'etcd-advertise-client-urls': clientUrl,
      'etcd-listen-client-urls': clientUrl,
      'etcd-listen-peer-urls': peerUrl,
      'etcd-initial-cluster': `backend-1=${peerUrl}`,
      'etcd-initial-advertise-peer-urls': peerUrl,
    }),
    { mode: 0o600 },
  );
  await writeFile(envFile, '# Environment of the handlers\nSLACK_CHANNEL="#monitoring"\n', { mode: 0o600 });
  await writeFile(join(directory, 'etcd-binary'), binaries.etcd);
  await writeFile(join(directory, 'owner'), JSON.stringify(await identifyThisProcess()));
  await chmod(envFile, 0o600);
  return {
    directory,
    backendConfig,
    envFile,
    dataDirectory: join(stateDirectory, 'etcd'),
    clientUrl,
    apiUrl,
    startCommand: controlCommand('start', directory),
    stopCommand: controlCommand('stop', directory),
  };
}

/** Gives keys of the recorded file other values, and leaves every other line as it was recorded. */
function adapt(text: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce(
    (lines, [key, value]) => lines.replace(new RegExp(`^${key}: .*$`, 'm'), `${key}: "${value}"`),
    text,
  );
}

/** Always of the built program: a test that runs from the sources starts the double from `dist` too. */
function controlCommand(verb: 'start' | 'stop', directory: string): string {
  const control = join(packageRoot, 'dist', 'demo', 'backend-double', 'control.js');
  return [process.execPath, control, verb, directory].map((word) => `'${word}'`).join(' ');
}
