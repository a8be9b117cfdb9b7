import { Option, type Command } from 'commander';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { formatCounted } from '../../core/units.js';
import type { EtcdClient } from '../../etcd/client.js';
import type { ConnectOptions, Credentials } from '../../etcd/connect-options.js';
import type { BackendLogin } from '../../rbac/login.js';
import type { RbacPasswords, RbacPlan } from '../../rbac/plan-types.js';
import type { RbacVerification } from '../../rbac/verify.js';
import type { Profile } from '../../rbac/wanted.js';
import { confirm } from '../terminal/confirm.js';
import { addConnectionOptions, connectOptionsFrom, type ConnectionFlags } from '../options/connection.js';
import { ExitCode } from '../exit-codes.js';
import { addLoginOptions, type LoginFlags } from '../options/login.js';
import {
  askForMissing,
  generateNeeded,
  readGivenPasswords,
  type PasswordFlags,
} from '../options/rbac-passwords.js';
import { addNetworkOptions, runs, type CommandResult, type OutputOptions } from '../run.js';

interface RbacFlags extends ConnectionFlags, OutputOptions, PasswordFlags, LoginFlags {
  readonly profile: Profile;
  readonly enableAuth?: boolean;
  readonly plan?: boolean;
  readonly yes?: boolean;
}

export function addRbacCommands(rbac: Command): void {
  const plan = rbac.command('plan').description('show what apply would change');
  addChangeOptions(plan).action(
    runs((context, flags: RbacFlags) => apply(context, { ...flags, plan: true })),
  );
  const change = rbac
    .command('apply')
    .description('create or change the etcd user of the backends, the role sensu_readwrite and its grants')
    .option('--plan', 'print the plan and stop')
    .option('--yes', 'do not ask');
  addChangeOptions(change).action(runs(apply));
  const verify = rbac
    .command('verify')
    .description('log in as a backend at each endpoint, try what it does, and what it must not be able to do')
    .option(
      '--sensu-password-file <file>',
      'password of the etcd user of the backends, - for standard input',
    );
  addCommonOptions(verify).action(runs(verifyCommand));
}

function addChangeOptions(command: Command): Command {
  command
    .option('--root-password-file <file>', 'password of the etcd user root, - for standard input')
    .option(
      '--sensu-password-file <file>',
      'password of the etcd user of the backends, - for standard input; asked for on a terminal when needed and not given',
    )
    .option(
      '--generate-passwords',
      'where a password file does not exist: make it, mode 0600, with a new random password',
    )
    .option('--enable-auth', 'set up root and turn auth on; needs the password of root');
  return addCommonOptions(command);
}

function addCommonOptions(command: Command): Command {
  const profile = new Option(
    '--profile <name>',
    "grants: the guide's and what it lacks; the keys of Sensu only; the first and what 'sensu-backend init' needs",
  );
  command.addOption(profile.choices(['documented', 'least', 'init']).default('documented'));
  return addNetworkOptions(addConnectionOptions(addLoginOptions(command)));
}

async function apply(context: Context, flags: RbacFlags): Promise<CommandResult> {
  const { planRbac } = await import('../../rbac/plan.js');
  const { passwordsNeeded } = await import('../../rbac/plan-types.js');
  const { applyRbac } = await import('../../rbac/apply.js');
  const { describeRbacPlan } = await import('../../rbac/describe.js');
  const { findingsForBackends } = await import('../../rbac/findings-for-backends.js');
  const given = await readGivenPasswords(context, flags);
  const sendsPasswords = flags.plan !== true || Object.keys(given.known).length > 0;
  const connection = await connectOptionsFrom(flags, context, { sendsPasswords });
  const login = await loginFor(flags, connection, flags.sensuPasswordFile !== undefined);
  const { client, credentials } = await connectAsAdministrator(connection, flags, given.known);
  try {
    const { profile } = flags;
    const options = { profile, login, enableAuth: flags.enableAuth === true, passwords: given.known };
    const made = await planRbac(client, options);
    const seen = await findingsForBackends(context, client, options, {
      tls: connection.tls ?? {},
      credentials,
    });
    const plan = { ...made, findings: [...made.findings, ...seen] };
    if (flags.plan === true || plan.steps.length === 0) return await planResult(plan);
    const needed = passwordsNeeded(plan);
    await confirm(context, flags, describeRbacPlan(plan), 'make these changes');
    const asked = await askForMissing(context, given, needed);
    const passwords = await generateNeeded(context, asked, needed);
    await applyRbac(client, plan, passwords, (step, number) => {
      context.report.info(`${number}/${plan.steps.length} ${step.what}`);
    });
    return await appliedResult(plan);
  } finally {
    await client.close();
  }
}

async function planResult(plan: RbacPlan): Promise<CommandResult> {
  const { describeRbacPlan, rbacPlanDocument } = await import('../../rbac/describe.js');
  return { lines: describeRbacPlan(plan), json: rbacPlanDocument(plan), exit: exitOf(plan) };
}

async function appliedResult(plan: RbacPlan): Promise<CommandResult> {
  const { describeFinding, rbacPlanDocument } = await import('../../rbac/describe.js');
  const count = plan.steps.length;
  const lines = [
    ...plan.findings.flatMap(describeFinding),
    `Done: ${formatCounted(count, 'change')} made. Prove it with rbac verify, at the same --endpoints.`,
  ];
  return { lines, json: { applied: true, ...rbacPlanDocument(plan) }, exit: exitOf(plan) };
}

function exitOf(plan: RbacPlan): ExitCode {
  return plan.findings.some(({ severity }) => severity === 'warning') ? ExitCode.warnings : ExitCode.done;
}

/**
 * With auth off nobody logs in: etcd refuses a login then. With auth on, root does, unless another user is named;
 * the backend's own user, whose name may stand in the environment, could not read a role.
 */
async function connectAsAdministrator(
  { credentials, ...anonymous }: ConnectOptions,
  flags: RbacFlags,
  passwords: RbacPasswords,
): Promise<{ readonly client: EtcdClient; readonly credentials?: Credentials | undefined }> {
  const { connect } = await import('../../etcd/connect.js');
  const { rootNeeded } = await import('../../rbac/plan.js');
  const nobody = await connect(anonymous);
  let isOn: boolean;
  try {
    isOn = await nobody.auth.enabled();
  } catch (error) {
    await nobody.close();
    throw error;
  }
  if (!isOn) return { client: nobody };
  await nobody.close();
  const asRoot =
    flags.user === undefined && passwords.root !== undefined
      ? { username: 'root', password: passwords.root }
      : credentials;
  // A client certificate whose CN is root logs in without a password.
  if (asRoot === undefined && anonymous.tls?.cert === undefined) throw rootNeeded();
  const client = await connect(asRoot === undefined ? anonymous : { ...anonymous, credentials: asRoot });
  return { client, credentials: asRoot };
}

async function verifyCommand(context: Context, flags: RbacFlags): Promise<CommandResult> {
  const { verifyRbac } = await import('../../rbac/verify.js');
  const { describeVerification } = await import('../../rbac/describe.js');
  const target = await connectOptionsFrom(flags, context, { sendsPasswords: true });
  const known = await knownPassword(context, flags, target);
  const login = await loginFor(flags, target, known !== undefined);
  const verification = await verifyRbac(target, {
    profile: flags.profile,
    login,
    sensuPassword: login.form === 'password' ? (known ?? (await askForPassword(context, login))) : undefined,
  });
  return {
    lines: describeVerification(verification, flags.profile),
    json: verification,
    exit: exitOfVerification(verification),
  };
}

function exitOfVerification({ ok, checks, findings }: RbacVerification): ExitCode {
  const isDisproved =
    checks.some((check) => !check.ok) || findings.some(({ severity }) => severity === 'refusal');
  if (isDisproved) return ExitCode.integrity;
  return ok && !findings.some(({ severity }) => severity === 'warning') ? ExitCode.done : ExitCode.warnings;
}

/** Where nothing says otherwise, backends have always logged in by password here. */
async function loginFor(
  flags: RbacFlags,
  { endpoints, tls = {} }: ConnectOptions,
  hasPassword: boolean,
): Promise<BackendLogin> {
  const { chooseLogin } = await import('../../rbac/login.js');
  const { auth, etcdUser } = flags;
  const enableAuth = flags.enableAuth === true;
  const chosen = await chooseLogin({ auth, etcdUser, hasPassword, enableAuth }, { endpoints, tls });
  return chosen ?? { form: 'password', user: etcdUser ?? 'sensu' };
}

/** From its own option, or from the connection's when that names the user (environment included). */
async function knownPassword(
  context: Context,
  flags: RbacFlags,
  { credentials }: ConnectOptions,
): Promise<string | undefined> {
  const { known } = await readGivenPasswords(context, flags);
  if (known.sensu !== undefined) return known.sensu;
  const isMeant = flags.auth === undefined || flags.auth === 'password';
  return isMeant && credentials?.username === (flags.etcdUser ?? 'sensu') ? credentials.password : undefined;
}

async function askForPassword(context: Context, { user }: BackendLogin): Promise<string> {
  const { canPrompt, promptForPassword } = await import('../terminal/password-prompt.js');
  if (canPrompt()) return promptForPassword(context, `Password of the etcd user ${user}: `);
  throw new FerryError({
    kind: 'usage',
    code: 'PASSWORD_MISSING',
    message: `The password of the etcd user ${user} is needed, but not given.`,
    hint: 'Name the file that holds it with --sensu-password-file (- for standard input).',
  });
}
