import { FerryError } from '../core/errors.js';
import type { TlsFiles } from '../etcd/connect-options.js';
import { certificateDemandOf } from '../etcd/client-certificate.js';
import { rootName, sensuUser } from './wanted.js';

/**
 * How backends log in to etcd. `certificate`: etcd takes the CN of their client certificate for the user. `password`:
 * by user name and password from the environment. `none`: not at all, as etcd has no auth.
 */
export type LoginForm = 'certificate' | 'password' | 'none';

export interface BackendLogin {
  readonly form: LoginForm;
  /** The etcd user of the backends; of no meaning for `none`. */
  readonly user: string;
}

/** What `--sensu-password-file` alone has always meant. */
export const passwordLogin: BackendLogin = { form: 'password', user: sensuUser };

/** What helps where backends must log in as `user`, and the CN of the certificate is another. */
export function certificateRemedy(name: string | undefined, user: string): string {
  const wanted = `Give --cert and --key of a certificate whose CN is ${user}`;
  // Backends never log in as root.
  return name === undefined || name === rootName
    ? `${wanted}.`
    : `${wanted}, or add --etcd-user ${name} if that is to be the user of the backends.`;
}

/** For `backends log in ...`. */
export function loginWords({ form, user }: BackendLogin): string {
  switch (form) {
    case 'certificate':
      return `by client certificate as ${user}`;
    case 'password':
      return `by password as ${user}`;
    case 'none':
      return 'without a user, as etcd has no auth';
  }
}

/** What the operator said of the login. */
export interface LoginWishes {
  readonly auth?: LoginForm | undefined;
  readonly etcdUser?: string | undefined;
  /** Whether a password for backends was given, in a file or otherwise. */
  readonly hasPassword: boolean;
  readonly enableAuth: boolean;
}

export interface LoginTarget {
  readonly endpoints: readonly string[];
  readonly tls: TlsFiles;
}

/**
 * The form that was asked for, or else the one that follows from what was given: a password means a login by
 * password, and members that demand client certificates can take those for the login. Undefined when nothing says.
 * @throws FerryError `usage` for wishes that contradict each other
 */
export async function chooseLogin(
  wishes: LoginWishes,
  target: LoginTarget,
): Promise<BackendLogin | undefined> {
  refuseContradictions(wishes);
  const user = wishes.etcdUser ?? sensuUser;
  if (wishes.auth !== undefined) return { form: wishes.auth, user };
  if (wishes.hasPassword) return { form: 'password', user };
  const demands = await Promise.all(
    target.endpoints.map((endpoint) => certificateDemandOf(endpoint, target.tls)),
  );
  return demands.includes('required') ? { form: 'certificate', user } : undefined;
}

function refuseContradictions({ auth, etcdUser, hasPassword, enableAuth }: LoginWishes): void {
  if (auth === 'certificate' && hasPassword) {
    throw contradiction(
      '--auth certificate needs no password for the user of the backends, but one is given.',
      'Leave out --sensu-password-file, or use --auth password.',
    );
  }
  if (auth === 'none' && (hasPassword || enableAuth || etcdUser !== undefined)) {
    throw contradiction(
      '--auth none sets up no user and no auth, but other options ask for them.',
      'Leave out --sensu-password-file, --etcd-user and --enable-auth, or use --auth certificate or password.',
    );
  }
  if (etcdUser === rootName || etcdUser === '') {
    throw contradiction(
      `--etcd-user ${etcdUser === '' ? 'is empty' : 'root would let backends change users and roles'}.`,
      'Give backends a user of their own, such as sensu.',
    );
  }
}

function contradiction(message: string, hint: string): FerryError {
  return new FerryError({ kind: 'usage', code: 'LOGIN_CONTRADICTORY', message, hint });
}
