import { FerryError } from '../core/errors.js';
import type { Credentials } from './connect-options.js';
import type { Access, EtcdAuth, Permission } from './facets/auth.js';
import { authenticateCall, readToken } from './transport/messages.js';
import { tokenKindOf, type TokenKind } from './token-kind.js';
import type { Transport } from './transport/transport.js';

interface WirePermission {
  readonly permType: 'Read' | 'Write' | 'Readwrite';
  readonly key: Buffer;
  readonly range_end: Buffer;
}

const accesses: Readonly<Record<WirePermission['permType'], Access>> = {
  Read: 'read',
  Write: 'write',
  Readwrite: 'readwrite',
};

const wireAccesses: Readonly<Record<Access, WirePermission['permType']>> = {
  read: 'Read',
  write: 'Write',
  readwrite: 'Readwrite',
};

const nothing = Buffer.alloc(0);

/**
 * etcd's users and roles, by the raw calls: `Role.revoke` of etcd3 grants when it is given a list, and its
 * ranges compare wrongly.
 */
export function createAuth(transport: Transport): EtcdAuth {
  const write = async (method: string, payload: object): Promise<void> => {
    await transport.request({ service: 'Auth', method, payload, repeatable: 'write' });
  };
  const read = <Answer>(method: string, payload: object): Promise<Answer> =>
    transport.request<Answer>({ service: 'Auth', method, payload, repeatable: 'read' });
  return {
    enabled: () => isEnabled(transport),
    enable: () => write('authEnable', {}),
    disable: () => write('authDisable', {}),
    users: async () => (await read<{ users: readonly string[] }>('userList', {})).users,
    userRoles: (name) =>
      orUndefined('ETCD_USER_NOT_FOUND', async () => {
        return (await read<{ roles: readonly string[] }>('userGet', { name })).roles;
      }),
    addUser: (name, password) =>
      write('userAdd', { name, password: password ?? '', options: { no_password: password === undefined } }),
    changePassword: (name, password) => write('userChangePassword', { name, password }),
    deleteUser: (name) => write('userDelete', { name }),
    grantRole: (user, role) => write('userGrantRole', { user, role }),
    revokeRole: (name, role) => write('userRevokeRole', { name, role }),
    roles: async () => (await read<{ roles: readonly string[] }>('roleList', {})).roles,
    rolePermissions: (role) =>
      orUndefined('ETCD_ROLE_NOT_FOUND', async () => {
        const { perm } = await read<{ perm: readonly WirePermission[] }>('roleGet', { role });
        return perm.map(permissionOf);
      }),
    addRole: (name) => write('roleAdd', { name }),
    deleteRole: (role) => write('roleDelete', { role }),
    grantPermission: (name, { access, key, end }) =>
      write('roleGrantPermission', {
        name,
        perm: { permType: wireAccesses[access], key, range_end: end ?? nothing },
      }),
    revokePermission: (role, { key, end }) =>
      write('roleRevokePermission', { role, key, range_end: end ?? nothing }),
    authenticates: (credentials) => authenticates(transport, credentials),
    tokenKinds: (credentials) => tokenKinds(transport, credentials),
  };
}

function permissionOf(wire: WirePermission): Permission {
  const permission = { access: accesses[wire.permType], key: wire.key };
  return wire.range_end.length === 0 ? permission : { ...permission, end: wire.range_end };
}

async function orUndefined<Value>(code: string, read: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FerryError && error.code === code) return undefined;
    throw error;
  }
}

async function authenticates(transport: Transport, credentials: Credentials): Promise<boolean> {
  try {
    await transport.request(authenticateCall(credentials));
    return true;
  } catch (error) {
    if (error instanceof FerryError && error.code === 'ETCD_LOGIN_REFUSED') return false;
    throw error;
  }
}

/** Each member is asked: one that was started with another `--auth-token` than the rest breaks the others' sessions. */
async function tokenKinds(transport: Transport, credentials: Credentials): Promise<ReadonlySet<TokenKind>> {
  const call = authenticateCall(credentials);
  const answers = await Promise.allSettled(
    transport.voters.map((endpoint) => transport.requestOf(endpoint, call)),
  );
  transport.throwIfAborted();
  return new Set(
    answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [tokenKindOf(readToken(answer.value))] : [],
    ),
  );
}

/**
 * Asks for the login of a user that cannot exist, which every release answers to everybody: with auth off it
 * says so, with auth on it refuses. AuthStatus is missing in 3.4, and since 3.5.30 only root may ask for it.
 */
async function isEnabled(transport: Transport): Promise<boolean> {
  try {
    const nobody = { username: 'sensu-ferry-asks-whether-auth-is-on', password: '-' };
    await transport.request(authenticateCall(nobody));
    return true;
  } catch (error) {
    if (error instanceof FerryError && error.code === 'ETCD_AUTH_OFF') return false;
    if (error instanceof FerryError && error.code === 'ETCD_LOGIN_REFUSED') return true;
    throw error;
  }
}
