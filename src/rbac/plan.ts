import { FerryError } from '../core/errors.js';
import type { Members, Surveyed } from '../etcd/facets/cluster.js';
import type { KvReader } from '../etcd/facets/kv.js';
import type { WithAuth } from '../etcd/facets/auth.js';
import { isRefusal } from './checks.js';
import { grantWords, rangeWords } from './etcdctl-words.js';
import { findingsOf } from './findings.js';
import { passwordLogin, type BackendLogin } from './login.js';
import type { RbacOptions, RbacPlan, RbacStep } from './plan-types.js';
import { planUser } from './plan-user.js';
import { planRoleChanges, type RoleChange } from './role-changes.js';
import { rootName, sensuRole, wantedGrants, type Profile } from './wanted.js';

/**
 * Compares users, roles and grants with what is wanted. Changes nothing. The client must be logged in as root
 * when auth is on, and without credentials when it is off. Users and roles other than Sensu's are not looked at.
 *
 * @throws FerryError `denied` when the client may not read users and roles.
 */
export async function planRbac(
  client: KvReader & Surveyed & Members & WithAuth,
  options: RbacOptions,
): Promise<RbacPlan> {
  const authEnabled = await client.auth.enabled();
  if (authEnabled) await proveAdministrator(client);
  const { profile, login = passwordLogin } = options;
  if (login.form === 'none') return { profile, login, authEnabled, steps: [], findings: [] };
  const role = await planRole(client, profile);
  const user = await planUser(client, login, options, authEnabled);
  const enable = options.enableAuth && !authEnabled ? await planEnabling(client, login) : [];
  const steps = [...role.before, ...user.steps, ...role.after, ...enable];
  const findings = [...user.findings, ...(await findingsOf(client, options, authEnabled))];
  return { profile, login, authEnabled, steps, findings };
}

/** Before any other question: etcd answers a certificate that names no user as if the user asked for were missing. */
async function proveAdministrator(client: WithAuth): Promise<void> {
  try {
    await client.auth.roles();
  } catch (error) {
    throw isRefusal(error) ? rootNeeded(error) : error;
  }
}

interface RoleSteps {
  readonly before: readonly RbacStep[];
  /** Made last, when the user holds what it needs. */
  readonly after: readonly RbacStep[];
}

async function planRole(client: WithAuth, profile: Profile): Promise<RoleSteps> {
  const actual = await client.auth.rolePermissions(sensuRole);
  const changes = planRoleChanges(actual ?? [], wantedGrants(profile));
  const create: RbacStep[] =
    actual === undefined
      ? [
          {
            action: { type: 'create-role', role: sensuRole },
            what: `Create the role ${sensuRole}`,
            effect: 'It is empty at first.',
          },
        ]
      : [];
  return {
    before: [...create, ...changes.grants.map(roleStep)],
    after: changes.revokes.map(roleStep),
  };
}

function roleStep(change: RoleChange): RbacStep {
  const { permission, effect } = change;
  return change.type === 'grant'
    ? {
        action: { type: 'grant-permission', role: sensuRole, permission },
        what: `Grant ${sensuRole} ${grantWords(permission)}`,
        effect,
      }
    : {
        action: { type: 'revoke-permission', role: sensuRole, permission },
        what: `Revoke from ${sensuRole} ${rangeWords(permission)}`,
        effect,
      };
}

/**
 * Root's password must be certain before auth is on, as nothing lets root in afterwards. etcd can compare none
 * before, and on a user made with `--no-password` it takes a new password without a word and goes on refusing
 * it: so a root that is there is created again, which leaves no doubt.
 */
async function planEnabling(client: WithAuth, login: BackendLogin): Promise<readonly RbacStep[]> {
  const actual = await client.auth.userRoles(rootName);
  const roles = await client.auth.roles();
  const createRole: RbacStep = {
    action: { type: 'create-role', role: rootName },
    what: `Create the role ${rootName}`,
    effect: 'Who has it may do everything.',
  };
  return [
    ...(roles.includes(rootName) ? [] : [createRole]),
    ...(actual === undefined ? createRoot : [replaceRoot([...new Set([...actual, rootName])])]),
    {
      action: { type: 'enable-auth' },
      what: 'Enable auth',
      effect: `etcd refuses every request without a user. ${login.form === 'password' ? 'Both logins are' : 'The login of root is'} tried right after.`,
    },
  ];
}

const createRoot: readonly RbacStep[] = [
  {
    action: { type: 'create-user', user: rootName },
    what: `Create the user ${rootName}`,
    effect: 'It has the password given.',
  },
  {
    action: { type: 'grant-role', user: rootName, role: rootName },
    what: `Give the user ${rootName} the role ${rootName}`,
    effect: 'It may do everything; etcd enables auth only when there is such a user.',
  },
];

function replaceRoot(roles: readonly string[]): RbacStep {
  return {
    action: { type: 'replace-user', user: rootName, roles },
    what: `Create the user ${rootName} again, with the role${roles.length === 1 ? '' : 's'} ${roles.join(', ')}`,
    effect:
      'This makes sure that its password is the one you gave: etcd cannot check passwords while auth is off.',
  };
}

/** For callers that reach a cluster with auth on, where a plan needs root. */
export function rootNeeded(cause?: unknown): FerryError {
  return new FerryError({
    kind: 'denied',
    code: 'ETCD_ROOT_NEEDED',
    message: 'Auth is on in this etcd, and only root may read and change users and roles.',
    hint: 'Name the file with its password: --root-password-file FILE (or --user and --password-file of another user with the role root).',
    cause,
  });
}
