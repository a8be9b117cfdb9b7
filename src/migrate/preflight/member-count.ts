import type { Member } from '../../etcd/facets/cluster.js';
import { note, type Finding } from '../findings.js';

/** More than half of the voting members must be up: one more than an odd number makes nothing safer. */
export function memberCount(members: readonly Pick<Member, 'isLearner'>[]): Finding[] {
  const voters = members.filter(({ isLearner }) => !isLearner).length;
  if (voters === 1) {
    return [
      note(
        'TARGET_OF_ONE_MEMBER',
        'The target has a single member: while it is away, so is Sensu, and its disk holds the only copy.',
        'Three members go on without one of them: etcdctl member add, before the migration or after it.',
      ),
    ];
  }
  if (voters % 2 === 1) return [];
  return [
    note(
      'TARGET_OF_EVEN_MEMBERS',
      `The target has ${voters} members, which go on without ${voters / 2 - 1} of them, as ${voters - 1} do.`,
      `Add one more, or take one away: an odd number is what etcd is made for.`,
    ),
  ];
}
