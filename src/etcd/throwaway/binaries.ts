import { execFile } from 'node:child_process';
import { access, constants, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Environment } from '../../core/context.js';

/** The programs of one etcd release. */
export interface EtcdBinaries {
  /** Such as `3.5.16`. */
  readonly version: string;
  readonly etcd: string;
  readonly etcdctl: string;
  /** Undefined before 3.5, where etcdctl does its work. */
  readonly etcdutl: string | undefined;
}

const run = promisify(execFile);

/**
 * Every etcd release that this machine has, the oldest first: in `ETCD_BIN_DIR` (itself, or one folder a
 * release), in the cache that `scripts/fetch-etcd` fills, and on the PATH. Of two alike the first place wins.
 */
export async function findEtcdBinaries(env: Environment): Promise<readonly EtcdBinaries[]> {
  const folders = await candidateFolders(env);
  const found = await Promise.all(folders.map(binariesIn));
  const byVersion = new Map<string, EtcdBinaries>();
  for (const binaries of found) {
    if (binaries !== undefined && !byVersion.has(binaries.version)) byVersion.set(binaries.version, binaries);
  }
  return [...byVersion.values()].sort((a, b) => compareVersions(a.version, b.version));
}

/** Negative, zero or positive, as `sort` wants it. Of a pre-release only the numbers count. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let index = 0; index < 3; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(version: string): readonly number[] {
  return version.split(/[.-]/, 3).map(Number);
}

async function candidateFolders(env: Environment): Promise<readonly string[]> {
  const cacheRoot = env['SENSU_FERRY_CACHE'] || join(cacheHome(env), 'sensu-ferry');
  const own = env['ETCD_BIN_DIR'];
  return [
    ...(own ? [own, ...(await subfolders(own))] : []),
    ...(await subfolders(join(cacheRoot, 'etcd'))),
    ...(env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
  ];
}

function cacheHome(env: Environment): string {
  // An empty variable counts as unset, as the XDG specification and the script have it.
  return env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache');
}

async function subfolders(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => join(folder, name));
}

async function binariesIn(folder: string): Promise<EtcdBinaries | undefined> {
  const [etcd, etcdctl, etcdutl] = await Promise.all(
    ['etcd', 'etcdctl', 'etcdutl'].map((name) => executable(join(folder, name))),
  );
  if (etcd === undefined || etcdctl === undefined) return undefined;
  const version = await versionOf(etcd);
  return version === undefined ? undefined : { version, etcd, etcdctl, etcdutl };
}

async function executable(path: string): Promise<string | undefined> {
  return access(path, constants.X_OK).then(
    () => path,
    () => undefined,
  );
}

/** Undefined when the program is damaged or built for another system. */
async function versionOf(etcd: string): Promise<string | undefined> {
  try {
    // From its own folder: etcd reads no settings from there, but an ETCD_* variable would change its answer.
    const { stdout } = await run(etcd, ['--version'], { cwd: dirname(etcd), env: {}, timeout: 10_000 });
    return /^etcd Version: (\S+)/m.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}
