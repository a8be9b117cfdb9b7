import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEtcd, type RunningEtcd } from '../support/etcd.js';
import { startStatusRefused, type StatusRefused } from '../support/status-refused.js';
import { expectFailure, ferry, fixture, testFolder } from '../support/ferry.js';

let etcd: RunningEtcd;
let refusing: StatusRefused;
beforeAll(async () => {
  etcd = await startEtcd();
  refusing = await startStatusRefused(etcd.endpoint);
}, 60_000);
afterAll(async () => {
  await refusing.stop();
  await etcd.stop();
});

const snapshot = fixture('cluster3-6.12.0/snapshot.db');

// Versions, quota and sizes are asked of Status: a user who is refused them must still be able to do all that he may.
it('a user whom etcd refuses its status restores and dumps all the same, and is told what he may not do', async () => {
  const folder = await testFolder();
  const [rootFile, sensuFile] = [join(folder, 'root'), join(folder, 'sensu')];
  for (const file of [rootFile, sensuFile]) await writeFile(file, 'secret\n', { mode: 0o600 });
  const passwords = ['--root-password-file', rootFile, '--sensu-password-file', sensuFile];
  const applied = await ferry([
    ...['rbac', 'apply', '--endpoints', etcd.endpoint, '--enable-auth', '--yes'],
    ...passwords,
  ]);
  expect([0, 3], applied.stderr).toContain(applied.code);
  const asSensu = ['--endpoints', refusing.endpoint, '--user', 'sensu', '--password-file', sensuFile];

  const restore = ['restore', 'etcd', '--from', snapshot, ...asSensu];
  const plan = await ferry([...restore, '--plan', '--json']);
  expect(plan.code, plan.stderr).toBe(0);
  expect(JSON.parse(plan.stdout)).toMatchObject({ plan: { target: { clusterId: null, version: null } } });
  const restored = await ferry([...restore, '--yes']);
  expect(restored.code, restored.stderr).toBe(0);

  const verify = ['rbac', 'verify', '--endpoints', refusing.endpoint, '--sensu-password-file', sensuFile];
  const [dump, init, save] = await Promise.all([
    ferry(['dump', ...asSensu, '--types', 'namespaces']),
    ferry([...verify, '--auth', 'password', '--profile', 'init']),
    ferry(['snapshot', 'save', ...asSensu, '--to', folder]),
  ]);
  expect(dump.stdout).toContain('type: Namespace');
  expect(dump.code, dump.stderr).toBe(0);
  expect(init.stdout).toContain('No grant helps');
  expect(init.code).toBe(13);
  expectFailure(save, 12, 'ETCD_PERMISSION_DENIED');
  expect(refusing.refusals()).toBeGreaterThan(3);
}, 120_000);
