import { FerryError } from '../core/errors.js';
import type { Permission } from '../etcd/facets/auth.js';
import { grantCommand, grantWords } from './etcdctl-words.js';
import { sensuRole } from './wanted.js';

/** `either`: the answer differs between versions of etcd, and a backend works with both. */
type Expectation = 'allowed' | 'refused' | 'either';

/** One access that was tried, and how etcd answered. */
export interface RbacCheck {
  /** What was tried, such as `read /sensu.io`. */
  readonly what: string;
  /** Who tried it: the user of the backends, or nobody for a connection without user name. */
  readonly as: string;
  /** The endpoint, where the members do not all answer alike. */
  readonly at?: string;
  readonly expected: Expectation;
  readonly got: 'allowed' | 'refused';
  readonly ok: boolean;
  /** When not ok and a grant would mend it: that grant, such as `read /sensu.io`. */
  readonly missingGrant?: string;
  /** When not ok: a command or a sentence that mends it. */
  readonly remedy?: string;
  /** When refused and ok all the same: what that means. */
  readonly note?: string;
}

/** One access to try. */
export interface Access {
  readonly what: string;
  readonly expected: Expectation;
  /** What the role needs for it, where a grant decides. */
  readonly grant?: Permission;
  /** What to do when the answer is not the expected one and `grant` does not say it. */
  readonly remedy?: string;
  /** What it means when etcd refuses what may be refused. */
  readonly note?: string;
  /** Ends when etcd allowed it, and throws a FerryError when etcd refused. */
  readonly attempt: () => Promise<unknown>;
}

/** Tries one access after the other; an access may depend on what the one before it left. A failure that is no refusal, such as a lost connection, is thrown. */
export async function tryAccesses(
  as: RbacCheck['as'],
  accesses: Iterable<Access>,
): Promise<readonly RbacCheck[]> {
  const checks: RbacCheck[] = [];
  for (const access of accesses) {
    checks.push(judge(as, access, (await isAllowed(access.attempt)) ? 'allowed' : 'refused'));
  }
  return checks;
}

export function judge(
  as: RbacCheck['as'],
  access: Omit<Access, 'attempt'>,
  got: RbacCheck['got'],
): RbacCheck {
  const { what, expected, grant, remedy, note } = access;
  const ok = expected === 'either' || expected === got;
  const missing = !ok && got === 'refused' ? grant : undefined;
  const mend = missing === undefined ? remedy : grantCommand(sensuRole, missing);
  return {
    what,
    as,
    expected,
    got,
    ok,
    ...(missing !== undefined && { missingGrant: grantWords(missing) }),
    ...(!ok && mend !== undefined && { remedy: mend }),
    ...(expected === 'either' && got === 'refused' && note !== undefined && { note }),
  };
}

/**
 * True when etcd refused because of who asks: a user without the permission, nobody, or the name in a client
 * certificate that is no user (`ETCD_USER_NOT_FOUND`, when users or roles were asked for). A lost session is no
 * answer.
 */
export function isRefusal(error: unknown): error is FerryError {
  return error instanceof FerryError && refusals.has(error.code);
}

const refusals: ReadonlySet<string> = new Set([
  'ETCD_PERMISSION_DENIED',
  'ETCD_AUTH_REQUIRED',
  'ETCD_USER_NOT_FOUND',
]);

async function isAllowed(attempt: () => Promise<unknown>): Promise<boolean> {
  try {
    await attempt();
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}
