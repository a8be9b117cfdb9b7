import type { RbacCheck } from './checks.js';
import { grantWords } from './etcdctl-words.js';
import type { RbacAction, RbacFinding, RbacPlan } from './plan-types.js';
import { loginWords } from './login.js';
import type { RbacVerification } from './verify.js';

/** The plan for a person: findings, then numbered steps. */
export function describeRbacPlan(plan: RbacPlan): readonly string[] {
  const findings = plan.findings.flatMap(describeFinding);
  const steps =
    plan.steps.length === 0
      ? ['Nothing to do: users, roles and grants are as wanted.']
      : plan.steps.flatMap(({ what, effect }, index) => [
          `${String(index + 1).padStart(2)}. ${what}`,
          `    ${effect}`,
        ]);
  const head = `Profile ${plan.profile}; backends log in ${loginWords(plan.login)}; auth is ${plan.authEnabled ? 'on' : 'off'}.`;
  return [head, ...findings, ...steps];
}

export function describeFinding(finding: RbacFinding): readonly string[] {
  return [`${finding.severity}: ${finding.sentence} [${finding.code}]`, `    ${finding.remedy}`];
}

/** The plan as a JSON document: permissions in etcdctl's words, as keys are bytes. */
export function rbacPlanDocument(plan: RbacPlan): object {
  return {
    ...plan,
    steps: plan.steps.map(({ action, what, effect }) => ({ ...actionDocument(action), what, effect })),
  };
}

function actionDocument(action: RbacAction): object {
  return 'permission' in action ? { ...action, permission: grantWords(action.permission) } : action;
}

/** What was tried and how etcd answered, the checks that are not ok with what mends them. */
export function describeVerification(verification: RbacVerification, profile: string): readonly string[] {
  const failed = verification.checks.filter((check) => !check.ok).length;
  const lines = verification.checks.flatMap(describeCheck);
  const total = verification.checks.length;
  const { enforced, endpoints, unasked, login } = verification;
  const where = endpoints.length === 1 ? '' : `, at each of ${endpoints.length} endpoints`;
  const result = `${total - failed} of ${total} checks of the profile ${profile} are ok${where}.`;
  const off =
    'Nothing is enforced: auth is off in this etcd. The grants were compared on paper; turn auth on with: sensu-ferry rbac apply --enable-auth';
  return [
    ...lines,
    result,
    ...unasked.map(({ endpoint, reason }) => `warning: ${endpoint} was not asked: ${reason}`),
    ...(enforced || login.form === 'none' ? [] : [off]),
    ...verification.findings.flatMap(describeFinding),
  ];
}

function describeCheck(check: RbacCheck): readonly string[] {
  const who = check.as === 'nobody' ? 'without user name' : check.as;
  const mark = check.ok ? 'ok    ' : 'FAILED';
  const where = check.at === undefined ? '' : ` (${check.at})`;
  const lines = [`${mark}  ${who}: ${check.what}: ${check.got}${where}`];
  if (check.note !== undefined) lines.push(`        ${check.note}`);
  if (check.missingGrant !== undefined) lines.push(`        missing grant: ${check.missingGrant}`);
  if (check.remedy !== undefined) lines.push(`        to do: ${check.remedy}`);
  return lines;
}
