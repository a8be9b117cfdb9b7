import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Access, Permission } from '../../src/etcd/facets/auth.js';
import { grantWords } from '../../src/rbac/etcdctl-words.js';
import { covers, keysWith, sameRange } from '../../src/rbac/ranges.js';
import { planRoleChanges, type RoleChange } from '../../src/rbac/role-changes.js';
import { profiles, wantedGrants } from '../../src/rbac/wanted.js';

/** How etcd's auth store keeps a role: it replaces a permission only when it is the first with its key. */
function applyAsEtcd(role: readonly Permission[], change: RoleChange): readonly Permission[] {
  const { permission } = change;
  if (change.type === 'revoke') return role.filter((other) => !sameRange(other, permission));
  const first = role.findIndex((other) => Buffer.compare(other.key, permission.key) >= 0);
  if (first >= 0 && sameRange(role[first]!, permission)) return role.with(first, permission);
  return [...role, permission].sort((a, b) => Buffer.compare(a.key, b.key));
}

function applyAll(role: readonly Permission[], changes: readonly RoleChange[]): readonly Permission[] {
  return changes.reduce(applyAsEtcd, role);
}

function planned(actual: readonly Permission[], wanted: readonly Permission[]): readonly RoleChange[] {
  const { grants, revokes } = planRoleChanges(actual, wanted);
  return [...grants, ...revokes];
}

const key = fc.constantFrom('/sensu.io', '/sensu.io/', '/sensu.io/checks/', '.initialized', '/z');
const end = fc.constantFrom(undefined, '\0', '/sensu.io0', '/zz');
const permission: fc.Arbitrary<Permission> = fc
  .record({ access: fc.constantFrom<Access[]>('read', 'write', 'readwrite'), key, end })
  .map(({ access, key, end }) => ({
    access,
    key: Buffer.from(key),
    ...(end !== undefined && { end: Buffer.from(end) }),
  }));
const role = fc
  .array(permission, { maxLength: 7 })
  .map((permissions) => [...permissions].sort((a, b) => Buffer.compare(a.key, b.key)));
const profile = fc.constantFrom(...profiles);

describe('the way from any role to a profile', () => {
  test('ends at exactly the grants of the profile, after which nothing is left to do', () => {
    fc.assert(
      fc.property(role, profile, (actual, profile) => {
        const wanted = wantedGrants(profile);
        const after = applyAll(actual, planned(actual, wanted));
        expect(new Set(after.map(grantWords))).toEqual(new Set(wanted.map(grantWords)));
        expect(planned(after, wanted)).toEqual([]);
      }),
    );
  });

  test('can be cut off anywhere and gone on with', () => {
    fc.assert(
      fc.property(role, profile, fc.nat(10), (actual, profile, cut) => {
        const wanted = wantedGrants(profile);
        const halfway = applyAll(actual, planned(actual, wanted).slice(0, cut));
        const after = applyAll(halfway, planned(halfway, wanted));
        expect(new Set(after.map(grantWords))).toEqual(new Set(wanted.map(grantWords)));
      }),
    );
  });

  test('between profiles never takes what both of them give', () => {
    fc.assert(
      fc.property(profile, profile, (from, to) => {
        const shared = wantedGrants('least');
        let held = wantedGrants(from);
        for (const change of planned(held, wantedGrants(to))) {
          held = applyAsEtcd(held, change);
          for (const { access, key, end } of shared) {
            const keys = { start: key, end: end ?? Buffer.concat([key, Buffer.from([0])]) };
            expect(covers(keysWith('read', held), keys)).toBe(true);
            if (access === 'readwrite') expect(covers(keysWith('write', held), keys)).toBe(true);
          }
        }
      }),
    );
  });
});

describe('the effect of a change, in words', () => {
  const words = (changes: readonly RoleChange[]): string[] =>
    changes.map((change) => `${change.type} ${grantWords(change.permission)}: ${change.effect}`);

  test('from documented to least', () => {
    expect(words(planned(wantedGrants('documented'), wantedGrants('least')))).toEqual([
      'grant readwrite --prefix=true /sensu.io/: Changes no access: other grants hold these keys too.',
      'revoke readwrite --from-key /sensu.io/: The role may no longer read and write --from-key /sensu.io0.',
    ]);
  });

  test('what the guide leaves out', () => {
    const guide = wantedGrants('documented').slice(0, 1);
    expect(words(planned(guide, wantedGrants('documented')))).toEqual([
      'grant read /sensu.io: The role may read /sensu.io.',
    ]);
  });

  test('a grant that is too strong is narrowed in place', () => {
    const actual: Permission[] = wantedGrants('least').map((grant) => ({ ...grant, access: 'readwrite' }));
    expect(words(planned(actual, wantedGrants('least')))).toEqual([
      'grant read /sensu.io: The role may no longer write /sensu.io.',
    ]);
  });
});
