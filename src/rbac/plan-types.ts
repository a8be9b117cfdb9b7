import type { Permission } from '../etcd/facets/auth.js';
import type { BackendLogin } from './login.js';
import { rootName, type Profile } from './wanted.js';

/** Whose password: root's, or that of the backends' user, whatever its name. */
export type RbacUser = 'root' | 'sensu';

/** Passwords as the operator gave them. They are never part of a plan. */
export type RbacPasswords = Readonly<Partial<Record<RbacUser, string>>>;

export interface RbacOptions {
  readonly profile: Profile;
  /** Set up root and turn auth on, unless it is on already. */
  readonly enableAuth: boolean;
  /** How backends log in. Default: as `sensu`, by password. */
  readonly login?: BackendLogin;
  /** Compared with what etcd takes while auth is on; etcd compares none while it is off. */
  readonly passwords?: RbacPasswords;
}

export type RbacAction =
  | { readonly type: 'create-role'; readonly role: string }
  | { readonly type: 'grant-permission'; readonly role: string; readonly permission: Permission }
  | { readonly type: 'revoke-permission'; readonly role: string; readonly permission: Permission }
  | { readonly type: 'create-user'; readonly user: string }
  /** As etcdctl does with `--no-password`: only a certificate logs in as it. */
  | { readonly type: 'create-certificate-user'; readonly user: string }
  /** Deletes the user and creates it again with the password and these roles. */
  | { readonly type: 'replace-user'; readonly user: string; readonly roles: readonly string[] }
  | { readonly type: 'set-password'; readonly user: string }
  | { readonly type: 'grant-role'; readonly user: string; readonly role: string }
  | { readonly type: 'enable-auth' };

export interface RbacStep {
  readonly action: RbacAction;
  /** What is done, as an order: `Create the role sensu_readwrite`. */
  readonly what: string;
  /** What is different afterwards, or why it is done. */
  readonly effect: string;
}

/** Something the plan does not change. A refusal cannot work; a warning needs the operator's eyes; a note explains. */
export interface RbacFinding {
  readonly severity: 'refusal' | 'warning' | 'note';
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string;
}

/** Empty steps: all is as wanted. */
export interface RbacPlan {
  readonly profile: Profile;
  readonly login: BackendLogin;
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
      users.add(passwordOwner(action.user));
    } else if (action.type === 'enable-auth') {
      users.add('root');
      if (plan.login.form === 'password') users.add('sensu');
    }
  }
  return users;
}

export function passwordOwner(user: string): RbacUser {
  return user === rootName ? 'root' : 'sensu';
}
