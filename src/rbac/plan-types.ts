import type { Permission } from '../etcd/client.js';
import type { Profile } from './wanted.js';

export type RbacUser = 'root' | 'sensu';

/** Passwords as the operator gave them. They are never part of a plan. */
export type RbacPasswords = Readonly<Partial<Record<RbacUser, string>>>;

export interface RbacOptions {
  readonly profile: Profile;
  /** Set up root and turn auth on, unless it is on already. */
  readonly enableAuth: boolean;
  /** Compared with what etcd takes while auth is on; etcd compares none while it is off. */
  readonly passwords?: RbacPasswords;
}

export type RbacAction =
  | { readonly type: 'create-role'; readonly role: string }
  | { readonly type: 'grant-permission'; readonly role: string; readonly permission: Permission }
  | { readonly type: 'revoke-permission'; readonly role: string; readonly permission: Permission }
  | { readonly type: 'create-user'; readonly user: RbacUser }
  /** Deletes the user and creates it again with the password and these roles. */
  | { readonly type: 'replace-user'; readonly user: RbacUser; readonly roles: readonly string[] }
  | { readonly type: 'set-password'; readonly user: RbacUser }
  | { readonly type: 'grant-role'; readonly user: RbacUser; readonly role: string }
  | { readonly type: 'enable-auth' };

export interface RbacStep {
  readonly action: RbacAction;
  /** What is done, as an order: `Create the role sensu_readwrite`. */
  readonly what: string;
  /** What is different afterwards, or why it is done. */
  readonly effect: string;
}

/** Something the plan does not change. A warning needs the operator's eyes; a note explains. */
export interface RbacFinding {
  readonly severity: 'warning' | 'note';
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string;
}

/** Empty steps: all is as wanted. */
export interface RbacPlan {
  readonly profile: Profile;
  /** Whether auth was on when the plan was made. */
  readonly authEnabled: boolean;
  readonly steps: readonly RbacStep[];
  readonly findings: readonly RbacFinding[];
}

/** The users whose passwords the plan writes or proves, so that they must be known to carry it out. */
export function passwordsNeeded(plan: RbacPlan): ReadonlySet<RbacUser> {
  const users = new Set<RbacUser>();
  for (const { action } of plan.steps) {
    if (action.type === 'create-user' || action.type === 'replace-user' || action.type === 'set-password') {
      users.add(action.user);
    } else if (action.type === 'enable-auth') {
      users.add('root').add('sensu');
    }
  }
  return users;
}
