import { FerryError } from '../../core/errors.js';
import { applyRbac } from '../../rbac/apply.js';
import { planRbac } from '../../rbac/plan.js';
import type { RbacOptions } from '../../rbac/plan-types.js';
import { verifyRbac } from '../../rbac/verify.js';
import { loginOf, type RecordedSettings, type Secrets } from '../settings.js';
import type { Step, StepContext } from '../engine/strategy.js';

/** Users, role and grants, and auth itself when asked for: before the load, so that the load proves root's way in. */
export const grantsStep: Step<'grants'> = {
  id: 'grants',
  title: 'Set up the etcd user of the backend, its role and its grants on the target, and log in as it',
  changes: 'creates users and a role, grants keys, enables auth when asked to',
  downtime: false,
  async run(step) {
    const { settings, secrets, resources } = step;
    const target = await resources.target();
    const options = rbacOptions(settings, secrets);
    const plan = await planRbac(target, options);
    await applyRbac(target, plan, options.passwords);
    await resources.renewTarget();
    if (plan.authEnabled || settings.enableAuth) await proveLogin(step);
    return { changes: plan.steps.map(({ what }) => what) };
  },
};

/** While nothing depends on it yet: as the backend will log in, to each member, what it needs is tried. */
async function proveLogin({ context, settings, secrets }: StepContext): Promise<void> {
  const { checks } = await verifyRbac(
    { endpoints: settings.endpoints, tls: secrets.targetTls, signal: context.signal },
    { profile: settings.profile, login: loginOf(settings), sensuPassword: secrets.sensu?.password },
  );
  // What it may do beyond that, or others may, is for `rbac verify` to say.
  const failed = checks.find(({ ok, expected }) => !ok && expected === 'allowed');
  if (failed === undefined) return;
  const where = failed.at === undefined ? '' : ` at ${failed.at}`;
  throw new FerryError({
    kind: 'denied',
    code: 'BACKEND_LOGIN_REFUSED',
    message: `The target does not let the backend's user ${failed.as} ${failed.what}${where}.`,
    hint: failed.remedy ?? 'Look at what stands in the way with: sensu-ferry rbac verify.',
  });
}

export function rbacOptions(
  settings: RecordedSettings,
  secrets: Secrets,
): RbacOptions & { readonly passwords: NonNullable<RbacOptions['passwords']> } {
  return {
    profile: settings.profile,
    enableAuth: settings.enableAuth,
    login: loginOf(settings),
    passwords: {
      ...(secrets.sensu && { sensu: secrets.sensu.password }),
      ...(secrets.root && { root: secrets.root.password }),
    },
  };
}
