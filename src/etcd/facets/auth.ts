import type { Credentials } from '../connect-options.js';
import type { TokenKind } from '../token-kind.js';

export type Access = 'read' | 'write' | 'readwrite';

/**
 * What a role may do with a range of keys, in etcd's own form: no `end` is the single key, `end` = `\0` is
 * every key from `key` on (what `etcdctl --from-key` writes).
 */
export interface Permission {
  readonly access: Access;
  readonly key: Buffer;
  readonly end?: Buffer;
}

/** Users, roles and the switch. Every call but `enabled` needs root once auth is on. */
export interface EtcdAuth {
  /** Asked in a way that works on 3.4, and with no, wrong or right credentials. */
  enabled(): Promise<boolean>;
  enable(): Promise<void>;
  disable(): Promise<void>;
  users(): Promise<readonly string[]>;
  /** Roles of the user; undefined when there is no such user. */
  userRoles(user: string): Promise<readonly string[] | undefined>;
  /** Without a password the user can log in by certificate only. */
  addUser(user: string, password: string | undefined): Promise<void>;
  changePassword(user: string, password: string): Promise<void>;
  deleteUser(user: string): Promise<void>;
  grantRole(user: string, role: string): Promise<void>;
  revokeRole(user: string, role: string): Promise<void>;
  roles(): Promise<readonly string[]>;
  /** Undefined when there is no such role. */
  rolePermissions(role: string): Promise<readonly Permission[] | undefined>;
  addRole(role: string): Promise<void>;
  deleteRole(role: string): Promise<void>;
  grantPermission(role: string, permission: Permission): Promise<void>;
  revokePermission(role: string, range: Pick<Permission, 'key' | 'end'>): Promise<void>;
  /** True when etcd takes this name and password; false when it refuses them. */
  authenticates(credentials: Credentials): Promise<boolean>;
  /** What kinds of token the members that can be reached give for this login; none when they refuse it. */
  tokenKinds(credentials: Credentials): Promise<ReadonlySet<TokenKind>>;
}

/** What has users, roles and the switch. */
export interface WithAuth {
  readonly auth: EtcdAuth;
}
