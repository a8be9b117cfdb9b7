import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  identifyProcess,
  identifyThisProcess,
  type ProcessIdentity,
} from '../../../src/host/process-identity.js';
import { makeThrowawayFolder } from '../../../src/etcd/throwaway/folder.js';

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ferry-throwaway-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function killedProcess(): Promise<ProcessIdentity> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  const identity = await identifyProcess(child.pid!);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return identity;
}

/** As a run leaves it that was killed while a store lay in it. */
async function leaveFolder(path: string, owner?: ProcessIdentity): Promise<void> {
  await mkdir(join(path, 'etcd-1/data'), { recursive: true });
  await writeFile(join(path, 'etcd-1/data/db'), 'a store in clear');
  if (owner !== undefined) await writeFile(join(path, 'owner.json'), JSON.stringify(owner));
}

test('what killed processes have left is deleted, and nothing else', async () => {
  const parent = await emptyFolder();
  const elsewhere = await emptyFolder();
  const [living, dead] = [await identifyThisProcess(), await killedProcess()];
  const otherContainer = { ...dead, pidSpace: 'another' };
  await leaveFolder(join(parent, 'sensu-ferry-etcd-dead'), dead);
  await leaveFolder(join(parent, 'sensu-ferry-etcd-living'), living);
  await leaveFolder(join(parent, 'sensu-ferry-etcd-nobodys'));
  await leaveFolder(join(parent, 'sensu-ferry-etcd-elsewhere'), otherContainer);
  await leaveFolder(join(parent, 'sensu-ferry-etcd-long-ago'), otherContainer);
  await leaveFolder(join(parent, 'other-dead'), dead);
  await leaveFolder(join(elsewhere, 'dead'), dead);
  await symlink(join(elsewhere, 'dead'), join(parent, 'sensu-ferry-etcd-link'));
  await utimes(join(parent, 'sensu-ferry-etcd-long-ago'), 0, 0);

  const folder = await makeThrowawayFolder(parent);

  expect((await readdir(parent)).sort()).toEqual(
    [
      'other-dead',
      'sensu-ferry-etcd-elsewhere',
      'sensu-ferry-etcd-link',
      'sensu-ferry-etcd-living',
      'sensu-ferry-etcd-nobodys',
      folder.slice(parent.length + 1),
    ].sort(),
  );
  expect(await readdir(join(elsewhere, 'dead'))).toContain('etcd-1');
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
});
