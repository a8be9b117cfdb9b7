import type { Permission } from '../etcd/facets/auth.js';
import { rangeWords } from './etcdctl-words.js';
import { differenceOf, etcdRangeOf, keysWith, sameRange } from './ranges.js';

/** One change of a role's permissions. A grant on a range that the role has already replaces its access. */
export interface RoleChange {
  readonly type: 'grant' | 'revoke';
  readonly permission: Permission;
  /** What the role may do after it that it might not before, and the other way round, in sentences. */
  readonly effect: string;
}

/** What takes a role from the one list of permissions to the other. */
export interface RoleChanges {
  readonly grants: readonly RoleChange[];
  /** To be made after the grants, so that a backend at work never lacks an access in between. */
  readonly revokes: readonly RoleChange[];
}

export function planRoleChanges(actual: readonly Permission[], wanted: readonly Permission[]): RoleChanges {
  const track = new RoleTrack(actual);
  const grants = wanted.flatMap((permission) => {
    const same = actual.filter((other) => sameRange(other, permission));
    if (same.length > 0 && same.every((other) => other.access === permission.access)) return [];
    if (same.length === 0 || isAloneWithKey(actual, permission)) return [track.grant(permission)];
    return [track.revoke(same[0]!), track.grant(permission)];
  });
  const revokes = actual
    .filter((permission) => !wanted.some((other) => sameRange(other, permission)))
    .filter((permission, index, all) => all.findIndex((other) => sameRange(other, permission)) === index)
    .map((permission) => track.revoke(permission));
  return { grants, revokes };
}

/**
 * etcd looks only at the first permission with the key to see whether a grant replaces one. Where a role has two
 * with one key, a grant may be put beside them, and the old access stays.
 */
function isAloneWithKey(actual: readonly Permission[], permission: Permission): boolean {
  return actual.filter((other) => other.key.equals(permission.key)).length === 1;
}

/** The permissions of a role while changes are made to them. */
class RoleTrack {
  #permissions: readonly Permission[];

  constructor(permissions: readonly Permission[]) {
    this.#permissions = permissions;
  }

  grant(permission: Permission): RoleChange {
    return { type: 'grant', permission, effect: this.#turnInto([...this.#without(permission), permission]) };
  }

  revoke(permission: Permission): RoleChange {
    return { type: 'revoke', permission, effect: this.#turnInto(this.#without(permission)) };
  }

  #without(permission: Permission): readonly Permission[] {
    return this.#permissions.filter((other) => !sameRange(other, permission));
  }

  #turnInto(next: readonly Permission[]): string {
    const effect = describeEffect(this.#permissions, next);
    this.#permissions = next;
    return effect;
  }
}

function describeEffect(before: readonly Permission[], after: readonly Permission[]): string {
  const gained = describeGain(before, after).map((words) => `The role may ${words}.`);
  const lost = describeGain(after, before).map((words) => `The role may no longer ${words}.`);
  const effect = [...gained, ...lost].join(' ');
  return effect === '' ? 'Changes no access: other grants hold these keys too.' : effect;
}

/** What the one list allows beyond the other. */
function describeGain(fewer: readonly Permission[], more: readonly Permission[]): readonly string[] {
  const [read, write] = (['read', 'write'] as const).map((access) =>
    differenceOf(keysWith(access, more), keysWith(access, fewer))
      .map((range) => rangeWords(etcdRangeOf(range)))
      .join(', '),
  ) as [string, string];
  if (read === write) return read === '' ? [] : [`read and write ${read}`];
  return [...(read === '' ? [] : [`read ${read}`]), ...(write === '' ? [] : [`write ${write}`])];
}
