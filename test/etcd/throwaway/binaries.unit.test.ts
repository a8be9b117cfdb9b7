import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { compareVersions, findEtcdBinaries } from '../../../src/etcd/throwaway/binaries.js';

async function createRoot(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'ferry-binaries-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return root;
}

async function place(folder: string, answer: string, programs = ['etcd', 'etcdctl']): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const name of programs) {
    await writeFile(join(folder, name), `#!/bin/sh\necho '${answer}'\n`);
    await chmod(join(folder, name), 0o755);
  }
  return folder;
}

const all = ['etcd', 'etcdctl', 'etcdutl'];

test('releases of the cache, ETCD_BIN_DIR and the PATH are found, sorted by number', async () => {
  const root = await createRoot();
  await place(join(root, 'cache/etcd/3.5.9'), 'etcd Version: 3.5.9', all);
  await place(join(root, 'own/old'), 'etcd Version: 3.4.27');
  await place(join(root, 'path'), 'etcd Version: 3.5.16');
  const env = {
    SENSU_FERRY_CACHE: join(root, 'cache'),
    ETCD_BIN_DIR: join(root, 'own'),
    PATH: join(root, 'path'),
  };
  const found = await findEtcdBinaries(env);
  expect(found.map(({ version }) => version)).toEqual(['3.4.27', '3.5.9', '3.5.16']);
  expect(found.map(({ etcdutl }) => etcdutl)).toEqual([
    undefined,
    join(root, 'cache/etcd/3.5.9/etcdutl'),
    undefined,
  ]);
});

test('of one release in two places the folder that the operator named wins', async () => {
  const root = await createRoot();
  await place(join(root, 'cache/etcd/3.5.9'), 'etcd Version: 3.5.9');
  const own = await place(join(root, 'own'), 'etcd Version: 3.5.9');
  const found = await findEtcdBinaries({ SENSU_FERRY_CACHE: join(root, 'cache'), ETCD_BIN_DIR: own });
  expect(found.map(({ etcd }) => etcd)).toEqual([join(own, 'etcd')]);
});

test('half-fetched, incomplete and damaged releases do not count, whatever their folder is called', async () => {
  const root = await createRoot();
  await place(join(root, 'etcd/.work-1/3.5.1'), 'etcd Version: 3.5.1');
  await place(join(root, 'etcd/.work-1'), 'etcd Version: 3.5.2');
  await place(join(root, 'etcd/3.5.3'), 'etcd Version: 3.5.3', ['etcd']);
  await place(join(root, 'etcd/3.5.4'), 'Segmentation fault');
  expect(await findEtcdBinaries({ SENSU_FERRY_CACHE: root })).toEqual([]);
});

test('the cache is where XDG_CACHE_HOME or HOME put it; an empty variable counts as none', async () => {
  const root = await createRoot();
  await place(join(root, '.cache/sensu-ferry/etcd/3.4.1'), 'etcd Version: 3.4.1');
  await place(join(root, 'xdg/sensu-ferry/etcd/3.4.2'), 'etcd Version: 3.4.2');
  const versions = async (env: Record<string, string>) =>
    (await findEtcdBinaries({ HOME: root, ...env })).map(({ version }) => version);
  expect(await versions({})).toEqual(['3.4.1']);
  expect(await versions({ XDG_CACHE_HOME: '', SENSU_FERRY_CACHE: '' })).toEqual(['3.4.1']);
  expect(await versions({ XDG_CACHE_HOME: join(root, 'xdg') })).toEqual(['3.4.2']);
});

test.each([
  ['3.4.27', '3.5.0'],
  ['3.5.9', '3.5.16'],
  ['3.6.0', '4.0.0'],
])('%s is older than %s', (older, newer) => {
  expect(compareVersions(older, newer)).toBeLessThan(0);
  expect(compareVersions(newer, older)).toBeGreaterThan(0);
  expect(compareVersions(older, older)).toBe(0);
});
