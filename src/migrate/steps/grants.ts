import { applyRbac } from '../../rbac/apply.js';
import { planRbac } from '../../rbac/plan.js';
import type { RbacOptions } from '../../rbac/plan-types.js';
import type { RecordedSettings, Secrets } from '../settings.js';
import type { Step } from '../strategy.js';

/** Users, role and grants, and auth itself when asked for: before the load, so that the load proves root's way in. */
export const grantsStep: Step<'grants'> = {
  id: 'grants',
  title: 'Set up the user sensu, its role and its grants on the target',
  changes: 'creates users and a role, grants keys, enables auth when asked to',
  downtime: false,
  async run({ settings, secrets, resources }) {
    const target = await resources.target();
    const options = rbacOptions(settings, secrets);
    const plan = await planRbac(target, options);
    await applyRbac(target, plan, options.passwords);
    await resources.renewTarget();
    return { changes: plan.steps.map(({ what }) => what) };
  },
};

export function rbacOptions(
  settings: RecordedSettings,
  secrets: Secrets,
): RbacOptions & { readonly passwords: NonNullable<RbacOptions['passwords']> } {
  return {
    profile: settings.profile,
    enableAuth: settings.enableAuth,
    passwords: {
      sensu: secrets.sensu.password,
      ...(secrets.root && { root: secrets.root.password }),
    },
  };
}
