import { judge, type RbacCheck } from './checks.js';

/** What one member answered. */
export interface MemberChecks {
  readonly endpoint: string;
  readonly enforced: boolean;
  readonly checks: readonly RbacCheck[];
}

/** One check for what all members answered alike; for the rest, one of each member where it is not ok, which it names. */
export function mergeMembers(members: readonly MemberChecks[]): readonly RbacCheck[] {
  const isMixed = members.some(({ enforced }) => enforced) && members.some(({ enforced }) => !enforced);
  const named = members.map((member) => ({
    ...member,
    checks: isMixed && !member.enforced ? [authIsOff, ...member.checks] : member.checks,
  }));
  const kinds = [...new Set(named.flatMap(({ checks }) => checks.map(nameOf)))];
  return kinds.flatMap((kind) => {
    const answers = named.flatMap(({ endpoint, checks }) =>
      checks.filter((check) => nameOf(check) === kind).map((check) => ({ endpoint, check })),
    );
    const failed = answers.filter(({ check }) => !check.ok);
    if (failed.length === 0 || failed.length === members.length) return [(failed[0] ?? answers[0]!).check];
    return failed.map(({ endpoint, check }) => ({ ...check, at: endpoint }));
  });
}

/** Auth is a switch of the whole cluster. */
const authIsOff = judge(
  'nobody',
  {
    what: 'work without a login',
    expected: 'refused',
    remedy: 'Auth is on at other endpoints, so this one belongs to another cluster: give the members of one.',
  },
  'allowed',
);

const nameOf = ({ as, what }: RbacCheck): string => `${as}: ${what}`;
