import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EtcdClient } from '../../../src/etcd/client.js';
import type { Proof } from '../../../src/migrate/proof.js';
import { StoreProbe } from '../../../src/migrate/watch/store-probe.js';
import { applyRbac } from '../../../src/rbac/apply.js';
import { planRbac } from '../../../src/rbac/plan.js';
import { sensuRole } from '../../../src/rbac/wanted.js';
import { sensuRoot } from '../../../src/store/sensu-root.js';
import { startEtcd, type RunningEtcd } from '../../support/etcd.js';

const passwords = { root: 'root of the test', sensu: 'sensu of the test' };
let target: RunningEtcd;
let root: EtcdClient;

beforeAll(async () => {
  target = await startEtcd({ members: 3, until: 'manual' });
  const anonymous = await target.connect();
  const plan = await planRbac(anonymous, { profile: 'documented', enableAuth: true, passwords });
  await applyRbac(anonymous, plan, passwords);
  root = await target.connect({ credentials: { username: 'root', password: passwords.root } });
}, 60_000);
afterAll(() => target.stop());

function probe(): StoreProbe {
  const credentials = { username: 'sensu', password: passwords.sensu };
  return new StoreProbe(target.connectOptions({ credentials, deadlineMs: 3000 }));
}

const outcomes = (proofs: readonly Proof[]): unknown => proofs.map(({ outcome }) => outcome);

it('proves writes and renewals with the login of the backend, and leaves neither key nor lease', async () => {
  const watched = probe();
  for (let round = 0; round < 4; round += 1) expect(await watched.look()).toEqual([]);
  expect((await root.range({ ...sensuRoot, countOnly: true })).count).toBe(1n);
  await watched.close();
  expect(outcomes(watched.proofs())).toEqual(['proven', 'proven', 'proven']);
  expect((await root.range({ ...sensuRoot, countOnly: true })).count).toBe(0n);
  expect(await root.leaseIds()).toEqual([]);
}, 30_000);

it('sees a grant that goes away while it watches', async () => {
  const watched = probe();
  await watched.look();
  await root.auth.revokePermission(sensuRole, { key: sensuRoot.start, end: Buffer.from([0]) });
  const news = await watched.look();
  await root.auth.grantPermission(sensuRole, {
    access: 'readwrite',
    key: sensuRoot.start,
    end: Buffer.from([0]),
  });
  expect(news.join()).toMatch(/write read back.*does not permit/);
  await watched.look();
  expect(outcomes(watched.proofs())).toContain('failed');
  await watched.close();
}, 30_000);

it('sees a lease that ends although it is renewed', async () => {
  const watched = probe();
  await watched.look();
  for (const id of await root.leaseIds()) await root.revokeLease(id);
  expect((await watched.look()).join()).toMatch(/lease renewed: a lease ended/);
  await watched.close();
}, 30_000);

it('a member that dies is a warning, as the backend goes on with the others', async () => {
  const watched = probe();
  await watched.look();
  await target.members[2]!.kill();
  for (let round = 0; round < 8; round += 1) await watched.look();
  const [members, ...rest] = watched.proofs();
  expect(members).toMatchObject({ outcome: 'warning' });
  expect(members!.found).toContain(target.members[2]!.endpoint);
  expect(rest.map(({ outcome }) => outcome)).not.toContain('failed');
  await watched.close();
}, 60_000);
