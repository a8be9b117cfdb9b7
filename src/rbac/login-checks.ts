import type { WithAuth } from '../etcd/facets/auth.js';
import type { KvReader } from '../etcd/facets/kv.js';
import type { ConnectOptions } from '../etcd/connect-options.js';
import { certificateDemandOf, commonNameOf } from '../etcd/client-certificate.js';
import { isRefusal, judge, tryAccesses, type RbacCheck } from './checks.js';
import { certificateRemedy, type BackendLogin } from './login.js';
import { keysOf } from './ranges.js';
import { rootKey } from './wanted.js';

interface LoginToTry {
  /** Without credentials; the client certificate is that of the backends. */
  readonly target: ConnectOptions;
  readonly login: BackendLogin;
  readonly options: { readonly sensuPassword?: string | undefined };
}

/** Whether etcd takes a backend for the user that it is to be. */
export async function checkLogin(nobody: WithAuth, tried: LoginToTry): Promise<RbacCheck> {
  switch (tried.login.form) {
    case 'password':
      return checkPassword(nobody, tried);
    case 'certificate':
      return checkCertificate(nobody, tried);
    case 'none':
      return judge(
        'nobody',
        {
          what: 'work without a login',
          expected: 'allowed',
          remedy: 'Auth is on: use --auth certificate, or --auth password with --sensu-password-file FILE.',
        },
        (await nobody.auth.enabled()) ? 'refused' : 'allowed',
      );
  }
}

async function checkPassword(
  nobody: WithAuth,
  { login: { user }, options: { sensuPassword = '' } }: LoginToTry,
): Promise<RbacCheck> {
  const remedy = `The password given is not the one etcd has, or there is no such user: 'sensu-ferry rbac apply'.`;
  const isTaken = await nobody.auth.authenticates({ username: user, password: sensuPassword });
  return judge(
    user,
    { what: `log in as ${user}`, expected: 'allowed', remedy },
    isTaken ? 'allowed' : 'refused',
  );
}

async function checkCertificate(
  nobody: WithAuth,
  { target, login: { user } }: LoginToTry,
): Promise<RbacCheck> {
  const name = commonNameOf(target.tls ?? {});
  const remedy = name === user ? await certificateFault(nobody, user) : nameFault(name, user);
  return judge(
    user,
    {
      what: `be taken for ${user} by the CN of the client certificate`,
      expected: 'allowed',
      ...(remedy !== undefined && { remedy }),
    },
    remedy === undefined ? 'allowed' : 'refused',
  );
}

function nameFault(name: string | undefined, user: string): string {
  const taken =
    name === undefined ? '' : `The CN is ${name}, so etcd takes whoever connects with it for ${name}. `;
  return taken + certificateRemedy(name, user);
}

/** A user may read its own roles. Undefined when the certificate is taken for the user. */
async function certificateFault(nobody: WithAuth, user: string): Promise<string | undefined> {
  try {
    const roles = await nobody.auth.userRoles(user);
    return roles === undefined
      ? `There is no etcd user ${user}: 'sensu-ferry rbac apply --auth certificate'.`
      : undefined;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return 'This member does not look at the CN: start it with --client-cert-auth --trusted-ca-file FILE.';
  }
}

/** A member without `--client-cert-auth` takes no certificate for a login, and lets in connections without one. */
export async function checkCertificateDemand({ endpoints, tls = {} }: ConnectOptions): Promise<RbacCheck> {
  const demand = await certificateDemandOf(endpoints[0]!, tls);
  return judge(
    'nobody',
    {
      what: 'connect without a client certificate',
      expected: 'refused',
      remedy: 'Start this member with --client-cert-auth --trusted-ca-file FILE.',
    },
    demand === 'not-required' ? 'allowed' : 'refused',
  );
}

/**
 * With a client certificate, etcd takes a connection without user name for the user that its CN names. One that
 * names the backends' own user is another way to log in as it; any other lets in whom it should not.
 */
export async function checkWithoutName(
  nobody: KvReader & WithAuth,
  { user }: BackendLogin,
  certificateName: string | undefined,
): Promise<readonly RbacCheck[]> {
  const remedy =
    certificateName === undefined
      ? 'etcd allows this without a user name, although auth is on.'
      : `etcd takes a connection without user name for the user that its certificate names, here ${certificateName}: whoever holds the certificate needs no password. Use a certificate whose CN is ${user}.`;
  return tryAccesses('nobody', [
    {
      what: 'read the key /sensu.io',
      expected: certificateName === user ? 'either' : 'refused',
      remedy,
      attempt: () => nobody.range({ ...keysOf({ key: rootKey })!, limit: 1, keysOnly: true }),
    },
    { what: 'list users and roles', expected: 'refused', remedy, attempt: () => nobody.auth.roles() },
  ]);
}
