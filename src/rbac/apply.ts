import { FerryError } from '../core/errors.js';
import type { EtcdAuth, WithAuth } from '../etcd/facets/auth.js';
import {
  passwordOwner,
  passwordsNeeded,
  type RbacAction,
  type RbacPasswords,
  type RbacPlan,
  type RbacStep,
  type RbacUser,
} from './plan-types.js';
import { rootName } from './wanted.js';

/** Told of each step before it is made. */
export type StepListener = (step: RbacStep, number: number) => void;

/**
 * Carries the plan out. The client is the one that the plan was made with; after `enable-auth`, always the last
 * step, it can do nothing more unless it has credentials. Cut off between any two steps, the cluster is in a
 * state from which a new plan goes on; no step before the last one keeps anybody out.
 *
 * @throws FerryError `usage` when a password that the plan needs is missing; `refused` when auth cannot be
 * enabled safely; `denied` when a user cannot log in at the end, or the client may not make a step.
 */
export async function applyRbac(
  client: WithAuth,
  plan: RbacPlan,
  passwords: RbacPasswords,
  onStep: StepListener = () => undefined,
): Promise<void> {
  for (const user of passwordsNeeded(plan)) passwordOf(passwords, user);
  const written = new Set<string>();
  for (const [index, step] of plan.steps.entries()) {
    onStep(step, index + 1);
    if (step.action.type === 'enable-auth') await enable(client.auth, plan, passwords, written);
    else await make(client.auth, step.action, passwords, plan.authEnabled);
    if (isPasswordWrite(step.action)) written.add(step.action.user);
  }
}

type PlainAction = Exclude<RbacAction, { type: 'enable-auth' }>;

async function make(
  auth: EtcdAuth,
  action: PlainAction,
  passwords: RbacPasswords,
  authEnabled: boolean,
): Promise<void> {
  switch (action.type) {
    case 'create-role':
      return auth.addRole(action.role);
    case 'grant-permission':
      return auth.grantPermission(action.role, action.permission);
    case 'revoke-permission':
      return auth.revokePermission(action.role, action.permission);
    case 'create-user':
      return auth.addUser(action.user, passwordOf(passwords, passwordOwner(action.user)));
    case 'create-certificate-user':
      return auth.addUser(action.user, undefined);
    case 'replace-user':
      return replaceUser(auth, action.user, passwordOf(passwords, passwordOwner(action.user)), action.roles);
    case 'set-password':
      return setPassword(auth, action.user, passwordOf(passwords, passwordOwner(action.user)), authEnabled);
    case 'grant-role':
      return auth.grantRole(action.user, action.role);
  }
}

async function replaceUser(
  auth: EtcdAuth,
  user: string,
  password: string,
  roles: readonly string[],
): Promise<void> {
  await auth.deleteUser(user);
  await auth.addUser(user, password);
  for (const role of roles) await auth.grantRole(user, role);
}

/** A user made with `--no-password` takes a new password without a word and goes on refusing it. */
async function setPassword(
  auth: EtcdAuth,
  user: string,
  password: string,
  authEnabled: boolean,
): Promise<void> {
  await auth.changePassword(user, password);
  if (!authEnabled || (await auth.authenticates({ username: user, password }))) return;
  await replaceUser(auth, user, password, (await auth.userRoles(user)) ?? []);
}

/**
 * The one step that can keep the operator out for good: without a root that can log in, nothing turns auth off
 * again. etcd compares no password before, so the proof is that this very run wrote root's password to a new
 * user, and reads that user's role back.
 */
async function enable(
  auth: EtcdAuth,
  { login }: RbacPlan,
  passwords: RbacPasswords,
  written: ReadonlySet<string>,
): Promise<void> {
  const rootRoles = await auth.userRoles(rootName);
  if (!written.has(rootName) || rootRoles?.includes(rootName) !== true) {
    throw new FerryError({
      kind: 'refused',
      code: 'ROOT_NOT_CERTAIN',
      message: 'Auth was not enabled: it is not certain that root can log in afterwards.',
      hint: 'Somebody else may be changing users. Run the command again; it goes on from here.',
    });
  }
  await auth.enable();
  await proveLogin(auth, rootName, passwordOf(passwords, 'root'));
  if (login.form === 'password') await proveLogin(auth, login.user, passwordOf(passwords, 'sensu'));
}

async function proveLogin(auth: EtcdAuth, user: string, password: string): Promise<void> {
  if (await auth.authenticates({ username: user, password })) return;
  throw new FerryError({
    kind: 'denied',
    code: 'LOGIN_REFUSED_AFTER_ENABLING',
    message: `Auth is on now, but etcd refuses the login of the user ${user}.`,
    hint: 'Run the command again with the same files: it changes only what still differs.',
  });
}

function isPasswordWrite(
  action: RbacAction,
): action is Extract<RbacAction, { type: 'create-user' | 'replace-user' }> {
  return action.type === 'create-user' || action.type === 'replace-user';
}

function passwordOf(passwords: RbacPasswords, user: RbacUser): string {
  const password = passwords[user];
  if (password !== undefined) return password;
  throw new FerryError({
    kind: 'usage',
    code: 'PASSWORD_MISSING',
    message: `The password of the etcd user ${user} is needed, but not given.`,
    hint: `Name the file that holds it with --${user}-password-file (- for standard input).`,
  });
}
