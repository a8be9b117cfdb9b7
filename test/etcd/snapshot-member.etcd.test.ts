import { expect, test } from 'vitest';
import type { Members, MemberStatus } from '../../src/etcd/facets/cluster.js';
import type { Alarm, Alarms } from '../../src/etcd/facets/maintenance.js';
import { chooseSnapshotMember } from '../../src/etcd/snapshot-member.js';
import { FerryError } from '../../src/core/errors.js';
import type { Revision } from '../../src/store/view.js';
import { startEtcd } from '../support/etcd.js';

const healthy: Omit<MemberStatus, 'memberId'> = {
  clusterId: 1n,
  version: '3.5.16',
  revision: 100n as Revision,
  raftTerm: 2n,
  raftIndex: 5000n,
  raftAppliedIndex: 5000n,
  leader: 1n,
  isLearner: false,
  dbSize: 1n,
  dbSizeInUse: 1n,
  errors: [],
};

/** A cluster of members 1, 2, ... of which only what differs from a healthy one is given; 1 is the leader. */
function clusterOf(
  members: readonly (Partial<MemberStatus> | FerryError)[],
  alarms: readonly Alarm[] = [],
): Members & Alarms {
  const endpoints = members.map((_, index) => `http://etcd-${index + 1}:2379`);
  return {
    endpoints,
    status: (endpoint: string) => {
      const index = endpoints.indexOf(endpoint);
      const member = members[index]!;
      if (member instanceof FerryError) return Promise.reject(member);
      return Promise.resolve({ ...healthy, memberId: BigInt(index + 1), ...member });
    },
    alarms: () => Promise.resolve(alarms),
    members: () =>
      Promise.resolve([{ id: 2n, name: 'second', peerUrls: [], clientUrls: [], isLearner: false }]),
  };
}

test('a follower comes before the leader', async () => {
  const choice = await chooseSnapshotMember(clusterOf([{}, {}, {}]));
  expect(choice).toMatchObject({ endpoint: 'http://etcd-2:2379', name: 'second', passedOver: [] });
});

test('the leader is taken when no follower is fit', async () => {
  const choice = await chooseSnapshotMember(clusterOf([{}, { isLearner: true }]));
  expect(choice.endpoint).toBe('http://etcd-1:2379');
});

const away = new FerryError({ kind: 'unreachable', code: 'X', message: 'It is away.', hint: '' });

test.each([
  ['learner', { isLearner: true }, []],
  ['no leader', { leader: 0n }, []],
  ['CORRUPT', {}, [{ memberId: 2n, type: 'CORRUPT' }]],
  ['memberID:1 alarm:CORRUPT', { errors: ['memberID:1 alarm:CORRUPT '] }, []],
  ['3999 log entries behind', { raftAppliedIndex: 1001n }, []],
  ['It is away.', away, []],
] as const)('a member is passed over with the reason: %s', async (words, member, alarms) => {
  const choice = await chooseSnapshotMember(clusterOf([{}, member, {}], alarms));
  expect(choice.endpoint).toBe('http://etcd-3:2379');
  expect(choice.passedOver).toEqual([
    { endpoint: 'http://etcd-2:2379', reason: expect.stringContaining(words) as string },
  ]);
});

test('a full member can still be read', async () => {
  const full = { errors: ['memberID:2 alarm:NOSPACE '] };
  const choice = await chooseSnapshotMember(clusterOf([{}, full], [{ memberId: 2n, type: 'NOSPACE' }]));
  expect(choice.endpoint).toBe('http://etcd-2:2379');
});

test('no member is fit: each is named with its reason', async () => {
  const choosing = chooseSnapshotMember(clusterOf([away, { isLearner: true }]));
  await expect(choosing).rejects.toMatchObject({
    kind: 'source',
    code: 'NO_HEALTHY_MEMBER',
    message: expect.stringMatching(/etcd-1.*away.*etcd-2.*learner/) as string,
  });
});

test('a wrong password is no reason to try the next member', async () => {
  const denied = new FerryError({ kind: 'denied', code: 'D', message: 'No.', hint: '' });
  await expect(chooseSnapshotMember(clusterOf([denied, {}]))).rejects.toMatchObject({ code: 'D' });
});

test('of a real cluster a follower is chosen, and a dead member passed over', async () => {
  const etcd = await startEtcd({ members: 3, until: 'test' });
  const client = await etcd.connect({ deadlineMs: 3000 });
  const first = await chooseSnapshotMember(client);
  expect(first.status.leader).not.toBe(first.status.memberId);
  expect(first.passedOver).toEqual([]);
  const dead = etcd.members.find(({ endpoint }) => endpoint === first.endpoint)!;
  expect(first.name).toBe(dead.name);
  await dead.kill();
  const second = await chooseSnapshotMember(client);
  expect(second.endpoint).not.toBe(first.endpoint);
  expect(second.passedOver.map(({ endpoint }) => endpoint)).toEqual([first.endpoint]);
});
