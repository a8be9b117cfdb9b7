import { connect } from '../etcd/connect.js';
import type { ConnectOptions, EtcdClient } from '../etcd/client.js';
import { openBackendCalls } from '../etcd/backend-calls.js';
import { backendAccesses, forbiddenAccesses, type Tries } from './backend-accesses.js';
import { judge, tryAccesses, type RbacCheck } from './checks.js';
import { grantWords } from './etcdctl-words.js';
import { covers, keysOf, keysWith } from './ranges.js';
import { rootKey, sensuRole, sensuUser, wantedGrants, type Profile } from './wanted.js';

export interface VerifyOptions {
  readonly profile: Profile;
  readonly sensuPassword: string;
  /** Common name of the client certificate of the connection, when it has one. */
  readonly certificateName?: string;
}

export interface RbacVerification {
  /** Whether auth is on. While it is off, etcd allows everything to everybody and the checks are made on paper. */
  readonly enforced: boolean;
  /** True when auth is on and every check is ok. */
  readonly ok: boolean;
  readonly checks: readonly RbacCheck[];
}

/**
 * Proves from outside that Sensu's user can do what a backend does and no more, by doing it. Leaves no key
 * behind. The credentials of `target` are not used.
 *
 * @throws FerryError `unreachable` and the like when etcd gives no answer; a refusal is a check, no error.
 */
export async function verifyRbac(target: ConnectOptions, options: VerifyOptions): Promise<RbacVerification> {
  const anonymous = withoutCredentials(target);
  const nobody = await connect(anonymous);
  try {
    if (!(await nobody.auth.enabled())) {
      return { enforced: false, ok: false, checks: await checkOnPaper(nobody, options.profile) };
    }
    const checks = [
      ...(await checkAsSensu(nobody, anonymous, options)),
      ...(await checkAsNobody(nobody, options.certificateName)),
    ];
    return { enforced: true, ok: checks.every((check) => check.ok), checks };
  } finally {
    await nobody.close();
  }
}

function withoutCredentials(target: ConnectOptions): ConnectOptions {
  const { endpoints, tls, deadlineMs, signal } = target;
  return {
    endpoints,
    ...(tls && { tls }),
    ...(deadlineMs !== undefined && { deadlineMs }),
    ...(signal && { signal }),
  };
}

async function checkAsSensu(
  nobody: EtcdClient,
  anonymous: ConnectOptions,
  options: VerifyOptions,
): Promise<readonly RbacCheck[]> {
  const credentials = { username: sensuUser, password: options.sensuPassword };
  const loggedIn = await nobody.auth.authenticates(credentials);
  const login = judge('sensu', loginAccess, loggedIn ? 'allowed' : 'refused');
  if (!loggedIn) return [login];
  const target = { ...anonymous, credentials };
  const client = await connect(target);
  const calls = openBackendCalls(target);
  const tries: Tries = { client, calls, profile: options.profile };
  try {
    return [
      login,
      ...(await tryAccesses('sensu', backendAccesses(tries))),
      ...(await tryAccesses('sensu', forbiddenAccesses(tries))),
    ];
  } finally {
    calls.close();
    await client.close();
  }
}

const loginAccess = {
  what: `log in as ${sensuUser}`,
  expected: 'allowed',
  remedy: "The password given is not the one etcd has, or there is no such user: 'sensu-ferry rbac apply'.",
} as const;

/**
 * With a client certificate, etcd takes a connection without user name for the user that its CN names. One that
 * names Sensu's own user is another way to log in as it, which some choose; any other lets in whom it should not.
 */
async function checkAsNobody(
  nobody: EtcdClient,
  certificateName: string | undefined,
): Promise<readonly RbacCheck[]> {
  const remedy =
    certificateName === undefined
      ? 'etcd allows this without a user name, although auth is on.'
      : `etcd takes a connection without user name for the user that its certificate names, here ${certificateName}: whoever holds the certificate needs no password. Use a certificate whose CN is no etcd user.`;
  return tryAccesses('nobody', [
    {
      what: 'read the key /sensu.io',
      expected: certificateName === sensuUser ? 'either' : 'refused',
      remedy,
      attempt: () => nobody.range({ ...keysOf({ key: rootKey })!, limit: 1, keysOnly: true }),
    },
    { what: 'list users and roles', expected: 'refused', remedy, attempt: () => nobody.auth.roles() },
  ]);
}

/** Whether the role would let a backend in, once auth is on. */
async function checkOnPaper(client: EtcdClient, profile: Profile): Promise<readonly RbacCheck[]> {
  const held = (await client.auth.rolePermissions(sensuRole)) ?? [];
  const roles = (await client.auth.userRoles(sensuUser)) ?? [];
  const hasRole = judge(
    'sensu',
    {
      what: `have the role ${sensuRole}`,
      expected: 'allowed',
      remedy: `etcdctl user grant-role ${sensuUser} ${sensuRole}`,
    },
    roles.includes(sensuRole) ? 'allowed' : 'refused',
  );
  const grants = wantedGrants(profile).map((grant) => {
    const keys = keysOf(grant)!;
    const isHeld = (['read', 'write'] as const).every(
      (access) =>
        (grant.access !== access && grant.access !== 'readwrite') || covers(keysWith(access, held), keys),
    );
    return judge(
      'sensu',
      { what: grantWords(grant), expected: 'allowed', grant },
      isHeld ? 'allowed' : 'refused',
    );
  });
  return [hasRole, ...grants];
}
