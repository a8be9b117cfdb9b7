import type { WithAuth } from '../etcd/facets/auth.js';
import { nameWord } from './etcdctl-words.js';
import type { BackendLogin } from './login.js';
import type { RbacFinding, RbacOptions, RbacStep } from './plan-types.js';
import { sensuRole } from './wanted.js';

export interface UserSteps {
  readonly steps: readonly RbacStep[];
  readonly findings: readonly RbacFinding[];
}

/** What makes the user of the backends what it is to be, and who else may be using it. */
export async function planUser(
  client: WithAuth,
  login: BackendLogin,
  options: RbacOptions,
  authEnabled: boolean,
): Promise<UserSteps> {
  const { user } = login;
  const roles = await client.auth.userRoles(user);
  if (roles === undefined) return { steps: [createUser(login), grantSensuRole(user)], findings: [] };
  const password =
    login.form === 'password'
      ? await planPassword(client, user, options, authEnabled)
      : { steps: [], findings: [] };
  return {
    steps: [...password.steps, ...(roles.includes(sensuRole) ? [] : [grantSensuRole(user)])],
    findings: [...password.findings, ...othersUser(login, roles)],
  };
}

function createUser({ form, user }: BackendLogin): RbacStep {
  return form === 'password'
    ? {
        action: { type: 'create-user', user },
        what: `Create the user ${user}`,
        effect: 'It has the password given, and no role at first.',
      }
    : {
        action: { type: 'create-certificate-user', user },
        what: `Create the user ${user} without a password`,
        effect: `Only a client certificate whose CN is ${user} logs in as it. It has no role at first.`,
      };
}

function grantSensuRole(user: string): RbacStep {
  return {
    action: { type: 'grant-role', user, role: sensuRole },
    what: `Give the user ${user} the role ${sensuRole}`,
    effect: `${user} may do what the role may.`,
  };
}

/** While auth is off, etcd compares no password with anything; it then can only be written again. */
async function planPassword(
  client: WithAuth,
  user: string,
  options: RbacOptions,
  authEnabled: boolean,
): Promise<UserSteps> {
  if (!authEnabled) {
    return options.enableAuth
      ? {
          steps: [setPassword(user, 'etcd cannot check passwords while auth is off, so it is set again.')],
          findings: [],
        }
      : { steps: [], findings: [uncheckedPassword(user)] };
  }
  const password = options.passwords?.sensu;
  if (password === undefined) return { steps: [], findings: [notGivenPassword(user)] };
  if (await client.auth.authenticates({ username: user, password })) return { steps: [], findings: [] };
  return { steps: [setPassword(user, 'etcd refuses it now.')], findings: [passwordChange(user)] };
}

function setPassword(user: string, reason: string): RbacStep {
  return {
    action: { type: 'set-password', user },
    what: `Set the password of the user ${user}`,
    effect: `This makes sure that it is the password you gave: ${reason}`,
  };
}

const uncheckedPassword = (user: string): RbacFinding => ({
  severity: 'note',
  code: 'PASSWORD_NOT_COMPARED',
  sentence: `The user ${user} exists. Its password is left alone: etcd compares none while auth is off.`,
  remedy: 'It is set when auth is enabled (--enable-auth).',
});

const notGivenPassword = (user: string): RbacFinding => ({
  severity: 'note',
  code: 'PASSWORD_NOT_GIVEN',
  sentence: `The user ${user} exists. Its password is left alone, as none is given to compare it with.`,
  remedy: 'Name its file with --sensu-password-file.',
});

const passwordChange = (user: string): RbacFinding => ({
  severity: 'note',
  code: 'PASSWORD_CHANGES',
  sentence: `The password of the user ${user} changes: a backend that has the old one can log in no more.`,
  remedy: 'Put the new one into SENSU_BACKEND_ETCD_CLIENT_PASSWORD and restart the backends.',
});

/** Roles that are not ours show that the user is somebody else's too: the backends of another cluster, perhaps. */
function othersUser({ form, user }: BackendLogin, roles: readonly string[]): readonly RbacFinding[] {
  const extra = roles.filter((role) => role !== sensuRole);
  if (extra.length === 0) return [];
  const named = `${extra.length === 1 ? 'the role' : 'the roles'} ${extra.join(', ')}`;
  if (form === 'certificate' && !roles.includes(sensuRole)) {
    return [
      {
        severity: 'warning',
        code: 'USER_BELONGS_TO_OTHERS',
        sentence: `The user ${user} exists already, with ${named}: whoever else holds a certificate with this CN gets Sensu's store too, and backends get what that role allows.`,
        remedy:
          'Make a client certificate with a CN of its own for the backends, and name that with --etcd-user.',
      },
    ];
  }
  return [
    {
      severity: 'warning',
      code: 'USER_HAS_OTHER_ROLES',
      sentence: `The user ${user} also has ${named}: left alone, as somebody else's.`,
      remedy: `If it does not need them: ${extra.map((role) => `etcdctl user revoke-role ${nameWord(user)} ${nameWord(role)}`).join(' && ')}`,
    },
  ];
}
