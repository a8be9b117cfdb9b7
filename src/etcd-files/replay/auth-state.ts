import bcrypt from 'bcryptjs';
import {
  encodeRole,
  encodeUser,
  permittedRange,
  type StoredAuth,
  type StoredEtcdUser,
  type StoredPermission,
} from '../mvcc/auth-records.js';
import type { AuthRequest, GivenPassword } from './auth-request.js';
import type { PairChange } from '../mvcc/store-image.js';
import type { KeyRange } from '../../store/types.js';

/** Who has sent a request, as its header in the log has it; no user and 0 where nobody was logged in. */
export interface Sender {
  readonly user: string;
  /** Revision of users and roles that the sender's login knew. */
  readonly authRevision: bigint;
}

export const nobody: Sender = { user: '', authRevision: 0n };

const root = 'root';
/** etcd's own default; what a member was started with is not in its files. */
const bcryptCost = 10;

/**
 * etcd's users and roles under replay. Requests that their sender may not send are in the log too, as each
 * member refuses them when it applies them.
 */
export class AuthState {
  enabled: boolean;
  revision: bigint;
  readonly #base: StoredAuth;
  readonly #users: Map<string, StoredEtcdUser>;
  readonly #roles: Map<string, readonly StoredPermission[]>;

  constructor(base: StoredAuth) {
    this.#base = base;
    this.enabled = base.enabled;
    // A member that finds none takes the first one when it starts, before it applies anything.
    this.revision = base.revision === 0n ? 1n : base.revision;
    this.#users = new Map(base.users);
    this.#roles = new Map(base.roles);
  }

  get users(): readonly string[] {
    return namesOf(this.#users);
  }

  get roles(): readonly string[] {
    return namesOf(this.#roles);
  }

  isAdmin({ user }: Sender): boolean {
    return !this.enabled || this.#hasRoot(user);
  }

  permits({ user, authRevision }: Sender, access: 'read' | 'write', range: KeyRange): boolean {
    if (!this.enabled) return true;
    if (authRevision === 0n || authRevision < this.revision) return false;
    return this.#hasRoot(user) || covers(this.#grantsOf(user, access), range);
  }

  #hasRoot(user: string): boolean {
    return this.#users.get(user)?.roles.includes(root) ?? false;
  }

  #grantsOf(user: string, access: 'read' | 'write'): KeyRange[] {
    const roles = this.#users.get(user)?.roles ?? [];
    return roles
      .flatMap((role) => this.#roles.get(role) ?? [])
      .filter((permission) => permission.access === access || permission.access === 'readwrite')
      .map(permittedRange);
  }

  apply(request: AuthRequest, sender: Sender): void {
    if (!this.isAdmin(sender)) return;
    if (request.change === 'enable') this.enabled ||= this.#hasRoot(root);
    else if (request.change === 'disable') {
      if (this.enabled) this.revision++;
      this.enabled = false;
    } else if (this.#change(request)) this.revision++;
  }

  /** False when etcd refuses it, or has nothing to do. */
  #change(request: Exclude<AuthRequest, { change: 'enable' } | { change: 'disable' }>): boolean {
    switch (request.change) {
      case 'user-add':
        return this.#addUser(request);
      case 'user-delete':
        return !(this.enabled && request.name === root) && this.#users.delete(request.name);
      case 'user-password':
        return this.#changePassword(request);
      case 'user-grant':
        return this.#grantRole(request);
      case 'user-revoke':
        if (this.enabled && request.name === root && request.role === root) return false;
        return this.#revokeRole(request.name, request.role);
      case 'role-add':
        if (request.name === '' || this.#roles.has(request.name)) return false;
        this.#roles.set(request.name, []);
        return true;
      case 'role-delete':
        return this.#deleteRole(request.name);
      case 'role-grant':
        return this.#grantPermission(request);
      case 'role-revoke':
        return this.#revokePermission(request);
    }
  }

  #addUser({ name, secret, noPassword }: AuthRequest & { readonly change: 'user-add' }): boolean {
    if (name === '' || this.#users.has(name)) return false;
    const password = noPassword ? Buffer.alloc(0) : hashOf(secret);
    this.#users.set(name, { password, roles: [], noPassword });
    return true;
  }

  #changePassword({ name, secret }: AuthRequest & { readonly change: 'user-password' }): boolean {
    const user = this.#users.get(name);
    if (user === undefined) return false;
    const password = user.noPassword === true ? Buffer.alloc(0) : hashOf(secret);
    this.#users.set(name, { ...user, password });
    return true;
  }

  #grantRole({ name, role }: { readonly name: string; readonly role: string }): boolean {
    const user = this.#users.get(name);
    // The role root needs no record.
    if (user === undefined || (role !== root && !this.#roles.has(role))) return false;
    if (user.roles.includes(role)) return false;
    this.#users.set(name, { ...user, roles: [...user.roles, role].sort() });
    return true;
  }

  #revokeRole(name: string, role: string): boolean {
    const user = this.#users.get(name);
    if (!user?.roles.includes(role)) return false;
    this.#users.set(name, { ...user, roles: user.roles.filter((granted) => granted !== role) });
    return true;
  }

  #deleteRole(name: string): boolean {
    if ((this.enabled && name === root) || !this.#roles.delete(name)) return false;
    for (const user of this.#users.keys()) this.#revokeRole(user, name);
    return true;
  }

  #grantPermission({ name, permission }: AuthRequest & { readonly change: 'role-grant' }): boolean {
    const before = this.#roles.get(name);
    if (before === undefined || permission === undefined) return false;
    const others = before.filter((granted) => !sameKeys(granted, permission));
    const after = [...others, permission].sort((a, b) => Buffer.compare(a.key, b.key));
    this.#roles.set(name, after);
    return true;
  }

  #revokePermission(request: AuthRequest & { readonly change: 'role-revoke' }): boolean {
    const before = this.#roles.get(request.name);
    const after = before?.filter((granted) => !sameKeys(granted, request));
    if (before === undefined || after === undefined || after.length === before.length) return false;
    this.#roles.set(request.name, after);
    return true;
  }

  /** What etcd would have written into its buckets. */
  changes(): readonly (readonly [bucket: string, changes: readonly PairChange[]])[] {
    const { users, roles } = this.#base;
    return [
      ['auth', this.#ownChanges()],
      ['authRoles', changedRecords(roles, this.#roles, encodeRole)],
      ['authUsers', changedRecords(users, this.#users, encodeUser)],
    ];
  }

  #ownChanges(): readonly PairChange[] {
    const changes: PairChange[] = [];
    if (this.enabled !== this.#base.enabled) {
      changes.push({ key: Buffer.from('authEnabled'), value: Buffer.of(Number(this.enabled)) });
    }
    if (this.revision !== this.#base.revision) {
      const value = Buffer.alloc(8);
      value.writeBigUInt64BE(this.revision);
      changes.push({ key: Buffer.from('authRevision'), value });
    }
    return changes;
  }
}

function namesOf(records: ReadonlyMap<string, unknown>): readonly string[] {
  return [...records.keys()].sort().map((name) => Buffer.from(name, 'latin1').toString());
}

function hashOf({ plain, hashed }: GivenPassword): Buffer {
  if (hashed !== '') return Buffer.from(hashed, 'base64');
  return Buffer.from(bcrypt.hashSync(plain.toString(), bcryptCost));
}

function sameKeys(
  a: Pick<StoredPermission, 'key' | 'end'>,
  b: Pick<StoredPermission, 'key' | 'end'>,
): boolean {
  return a.key.equals(b.key) && a.end.equals(b.end);
}

/** Whether the ranges together hold all of one: etcd joins what lies end to end. */
function covers(granted: readonly KeyRange[], range: KeyRange): boolean {
  let reached = range.start;
  for (const { start, end } of granted.toSorted((a, b) => Buffer.compare(a.start, b.start))) {
    if (Buffer.compare(start, reached) > 0) return false;
    if (end === undefined) return true;
    if (Buffer.compare(end, reached) > 0) reached = end;
    if (range.end !== undefined && Buffer.compare(reached, range.end) >= 0) return true;
  }
  return false;
}

function changedRecords<Record>(
  before: ReadonlyMap<string, Record>,
  after: ReadonlyMap<string, Record>,
  encode: (name: string, record: Record) => Buffer,
): readonly PairChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => {
      const record = after.get(name);
      return { key: Buffer.from(name, 'latin1'), value: record && encode(name, record) };
    });
}
