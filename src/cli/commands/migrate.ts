import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { Context } from '../../core/context.js';
import { parseSeconds } from '../../core/duration.js';
import type { Finding } from '../../migrate/findings.js';
import type { RunState } from '../../migrate/engine/journal.js';
import type { ServiceOverrides } from '../../migrate/open-run.js';
import type { MigrationReport } from '../../migrate/report.js';
import type { RolledBack } from '../../migrate/engine/rollback.js';
import type { RecordedSettings } from '../../migrate/settings.js';
import { confirm } from '../terminal/confirm.js';
import { collectUrls } from '../options/connection.js';
import { ExitCode, exitCodeOf } from '../exit-codes.js';
import { lookForGarbageSooner } from '../heap.js';
import { addLoginOptions, type LoginFlags } from '../options/login.js';
import { addOutputOptions, inform, runs, type CommandResult, type OutputOptions } from '../run.js';
import { toolName } from '../version.js';

interface MigrateFlags extends OutputOptions, LoginFlags {
  readonly backendConfig: string;
  readonly envFile: string;
  readonly endpoints: readonly string[];
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly sourceEndpoints?: readonly string[];
  readonly sourceCacert?: string;
  readonly sourceCert?: string;
  readonly sourceKey?: string;
  readonly rootPasswordFile?: string;
  readonly sensuPasswordFile?: string;
  readonly enableAuth?: boolean;
  readonly configOnly?: boolean;
  readonly profile: RecordedSettings['profile'];
  readonly stopCommand: string;
  readonly startCommand: string;
  readonly startTimeout: string;
  readonly watch: string;
  readonly logFile?: string;
  readonly apiUrl?: string;
  readonly apiKeyFile?: string;
  readonly runDir: string;
  readonly plan?: boolean;
  readonly yes?: boolean;
}

interface RunFlags extends OutputOptions {
  readonly runDir: string;
}

interface GoOnFlags extends RunFlags {
  readonly stopCommand?: string;
  readonly startCommand?: string;
  readonly plan?: boolean;
  readonly yes?: boolean;
}

interface VerifyFlags extends RunFlags {
  readonly watch: string;
}

export function addMigrateCommands(migrate: Command): void {
  addEmbeddedToExternal(migrate);
  addRunCommand(migrate, 'status', 'show how far a migration has come, and what the backend does now').action(
    runs(status),
  );
  addRunCommand(
    migrate,
    'verify',
    'look at a migrated backend again, as the migration itself did after the start',
  )
    .option('--watch <duration>', 'how long; 0 looks once', '0')
    .action(runs(verify));
  addGoOnOptions(addRunCommand(migrate, 'resume', 'continue an interrupted migration')).action(
    runs(resume, { interruption: 'tidies-up-first' }),
  );
  addGoOnOptions(addRunCommand(migrate, 'rollback', 'put the backend back on its embedded store')).action(
    runs(rollback, { interruption: 'tidies-up-first' }),
  );
}

function addGoOnOptions(command: Command): Command {
  return command
    .option('--stop-command <command>', 'stops the backend, when not that of the migration')
    .option('--start-command <command>', 'starts the backend, when not that of the migration')
    .option('--plan', 'check everything and print the plan; change nothing')
    .option('--yes', 'do not ask');
}

function addRunCommand(migrate: Command, name: string, description: string): Command {
  return addOutputOptions(
    migrate
      .command(name)
      .description(description)
      .requiredOption('--run-dir <dir>', 'the directory that the migration was started with'),
  );
}

function addEmbeddedToExternal(migrate: Command): void {
  const command = migrate
    .command('embedded-to-external')
    .description('carry the store of a single backend to an external etcd and switch the backend to it')
    .option('--backend-config <file>', "the backend's configuration", '/etc/sensu/backend.yml')
    .option('--env-file <file>', "the backend's environment file", '/etc/default/sensu-backend')
    .requiredOption('--endpoints <urls>', 'client URLs of the external etcd, comma-separated', collectUrls)
    .option('--cacert <file>', 'CA of the external etcd; also written into backend.yml')
    .option('--cert <file>', 'client certificate that the backend will use; also written into backend.yml')
    .option('--key <file>', 'key of the client certificate; also written into backend.yml')
    .option(
      '--source-endpoints <urls>',
      'client URLs of the embedded etcd, when not those of backend.yml',
      collectUrls,
    )
    .option('--source-cacert <file>', 'CA of the embedded etcd')
    .option('--source-cert <file>', 'client certificate for the embedded etcd')
    .option('--source-key <file>', 'key of that certificate')
    .option('--root-password-file <file>', 'password of the etcd user root, - for standard input')
    .option('--sensu-password-file <file>', 'password for the etcd user of the backend')
    .option('--enable-auth', 'turn auth on in the external etcd')
    .option(
      '--config-only',
      'carry the configuration, passwords and API keys with it, and leave events and other state behind',
    )
    .addOption(
      new Option('--profile <name>', 'grants, as of rbac apply')
        .choices(['documented', 'least', 'init'])
        .default('documented'),
    )
    .option('--stop-command <command>', 'stops the backend', 'systemctl stop sensu-backend')
    .option('--start-command <command>', 'starts the backend', 'systemctl start sensu-backend')
    .option('--start-timeout <duration>', 'how long the backend may take to answer', '60s')
    .option(
      '--watch <duration>',
      'how long to watch the backend on its new store before calling it done; 0 not to',
      '2m',
    )
    .option('--log-file <file>', "the backend's log, when it is not in the journal of a systemd unit")
    .option('--api-url <url>', "Sensu's API, when not that of backend.yml")
    .option('--api-key-file <file>', 'an API key, to prove the cluster id and a login')
    .requiredOption('--run-dir <dir>', 'where the journal, the safety snapshot and the old files go')
    .option('--plan', 'look, print findings and plan, and stop')
    .option('--yes', 'do not ask');
  addOutputOptions(addLoginOptions(command)).action(
    runs(embeddedToExternal, { interruption: 'tidies-up-first' }),
  );
}

async function embeddedToExternal(context: Context, flags: MigrateFlags): Promise<CommandResult> {
  const { readSecrets } = await import('../../migrate/read-secrets.js');
  const { planMigration, describePlan, describeSteps, planDocument, refuseUnfit } =
    await import('../../migrate/plan.js');
  const { applyMigration } = await import('../../migrate/engine/run.js');
  const { describeReport } = await import('../../migrate/report.js');
  const { refuseUsedRun } = await import('../../migrate/open-run.js');
  lookForGarbageSooner();
  await refuseUsedRun(context, resolve(flags.runDir));
  const settings = await settingsOf(flags);
  const secrets = await readSecrets(settings);
  const plan = await planMigration(context, settings, secrets, resolve(flags.runDir));
  if (flags.plan === true) {
    return {
      lines: describePlan(plan),
      json: planDocument(plan),
      exit: planExit(plan.findings),
    };
  }
  announce(context, plan.findings);
  refuseUnfit(plan);
  if (flags.yes === true) inform(context, describeSteps(plan));
  await confirm(context, flags, describeSteps(plan), 'migrate');
  const report = await applyMigration(context, plan, secrets, toolName());
  return { lines: describeReport(report), json: report, exit: warningsExit(report) };
}

/** As the migration itself would end before it begins. */
function planExit(findings: readonly Finding[]): ExitCode {
  const refusal = findings.find(({ severity }) => severity === 'refusal');
  if (refusal !== undefined) return exitCodeOf(refusal.kind ?? 'refused');
  return findings.some(({ severity }) => severity === 'warning') ? ExitCode.warnings : ExitCode.done;
}

/** Of a report, and of a run that a plan would go on with: the same warnings end both with the same exit code. */
function warningsExit({ warnings }: Pick<MigrationReport, 'warnings'>): ExitCode {
  return warnings.length > 0 ? ExitCode.warnings : ExitCode.done;
}

/** What the backend wrote to the external etcd stays there. */
function rollbackExit({ servedTarget, warnings = [] }: RollbackEnd): ExitCode {
  return servedTarget || warnings.length > 0 ? ExitCode.warnings : ExitCode.done;
}

type RollbackEnd = Pick<RolledBack, 'servedTarget'> & Partial<Pick<RolledBack, 'warnings'>>;

/** Also where nobody is asked, and with --quiet. */
function announce(context: Context, findings: readonly Finding[]): void {
  for (const { severity, code, sentence, remedy } of findings) {
    if (severity === 'note') context.report.info(`${sentence} [${code}] ${remedy}`);
    else context.report.warn(`${sentence} [${code}] ${remedy}`);
  }
}

async function settingsOf(flags: MigrateFlags): Promise<RecordedSettings> {
  const { normalizeEndpoints } = await import('../../etcd/transport/endpoints.js');
  const { chooseBackendLogin } = await import('../../migrate/backend-login.js');
  // They are written into backend.yml, where Sensu wants them with their scheme.
  const endpoints = [...normalizeEndpoints(flags.endpoints, { sendsPasswords: true })];
  const tls = absolutePaths(flags.cacert, flags.cert, flags.key);
  const login = await chooseBackendLogin(
    { ...flags, enableAuth: flags.enableAuth === true },
    { endpoints, tls },
  );
  return {
    backendConfig: resolve(flags.backendConfig),
    envFile: resolve(flags.envFile),
    endpoints,
    tls,
    auth: login.form,
    etcdUser: login.user,
    ...(flags.sourceEndpoints && { sourceEndpoints: [...normalizeEndpoints(flags.sourceEndpoints)] }),
    sourceTls: absolutePaths(flags.sourceCacert, flags.sourceCert, flags.sourceKey),
    stopCommand: flags.stopCommand,
    startCommand: flags.startCommand,
    ...(flags.apiUrl !== undefined && { apiUrl: flags.apiUrl }),
    ...(flags.apiKeyFile !== undefined && { apiKeyFile: secretPath(flags.apiKeyFile) }),
    ...(flags.rootPasswordFile !== undefined && { rootPasswordFile: secretPath(flags.rootPasswordFile) }),
    ...(flags.sensuPasswordFile !== undefined && { sensuPasswordFile: secretPath(flags.sensuPasswordFile) }),
    profile: flags.profile,
    enableAuth: flags.enableAuth === true,
    configOnly: flags.configOnly === true,
    startTimeoutSeconds: parseSeconds(flags.startTimeout, '--start-timeout') / 1000,
    watchSeconds: watchSeconds(flags.watch),
    ...(flags.logFile !== undefined && { logFile: resolve(flags.logFile) }),
  };
}

function watchSeconds(text: string): number {
  return /^0[smh]?$/.test(text) ? 0 : parseSeconds(text, '--watch') / 1000;
}

/** `-` is standard input. */
function secretPath(path: string): string {
  return path === '-' ? path : resolve(path);
}

/** Absolute, because the backend reads the same files from another directory. */
function absolutePaths(
  cacert: string | undefined,
  cert: string | undefined,
  key: string | undefined,
): RecordedSettings['tls'] {
  return {
    ...(cacert !== undefined && { cacert: resolve(cacert) }),
    ...(cert !== undefined && { cert: resolve(cert) }),
    ...(key !== undefined && { key: resolve(key) }),
  };
}

async function status(context: Context, flags: RunFlags): Promise<CommandResult> {
  const { describeStatus, lookAtRun } = await import('../../migrate/status.js');
  const found = await lookAtRun(context, resolve(flags.runDir));
  const { run, standing, worker } = found;
  return {
    lines: describeStatus(found),
    json: { ...runDocument(run), backend: standing, worker: worker ?? null },
  };
}

async function resume(context: Context, flags: GoOnFlags): Promise<CommandResult> {
  const { planResume, resumeMigration } = await import('../../migrate/engine/run.js');
  const { describeResumePlan } = await import('../../migrate/status.js');
  const { describeReport } = await import('../../migrate/report.js');
  lookForGarbageSooner();
  const directory = resolve(flags.runDir);
  const plan = await planResume(context, directory, overridesOf(flags));
  const lines = describeResumePlan(plan);
  if (flags.plan === true) {
    const json = { ...runDocument(plan.run), backend: plan.standing };
    return { lines, json, exit: warningsExit(plan.run) };
  }
  if (flags.yes === true) inform(context, lines);
  await confirm(context, flags, lines, 'go on with this migration');
  const report = await resumeMigration(context, directory, toolName(), overridesOf(flags));
  return { lines: describeReport(report), json: report, exit: warningsExit(report) };
}

async function verify(context: Context, flags: VerifyFlags): Promise<CommandResult> {
  const { describeVerification, verdictOf, verifyRun } = await import('../../migrate/verify-run.js');
  const done = await verifyRun(context, resolve(flags.runDir), watchSeconds(flags.watch));
  const verdict = verdictOf(done);
  const exit =
    verdict === 'warnings' ? ExitCode.warnings : verdict === undefined ? ExitCode.done : exitCodeOf(verdict);
  return { lines: describeVerification(done), json: done, exit };
}

async function rollback(context: Context, flags: GoOnFlags): Promise<CommandResult> {
  const { planRollback, rollbackMigration } = await import('../../migrate/engine/rollback.js');
  const { describeRollback, describeRollbackPlan } = await import('../../migrate/status.js');
  const directory = resolve(flags.runDir);
  const plan = await planRollback(context, directory, overridesOf(flags));
  const lines = describeRollbackPlan(plan);
  if (flags.plan === true) {
    const { run, standing, keepsRunning, servedTarget, written } = plan;
    const json = {
      ...runDocument(run),
      backend: standing,
      keepsRunning,
      servedTarget,
      written: written ?? null,
    };
    return { lines, json, exit: rollbackExit(plan) };
  }
  if (flags.yes === true) inform(context, lines);
  await confirm(context, flags, lines, 'put the backend back on its embedded store');
  const done = await rollbackMigration(context, directory, overridesOf(flags));
  return { lines: describeRollback(done), json: done, exit: rollbackExit(done) };
}

function overridesOf({ stopCommand, startCommand }: GoOnFlags): ServiceOverrides {
  return {
    ...(stopCommand !== undefined && { stopCommand }),
    ...(startCommand !== undefined && { startCommand }),
  };
}

const runDocument = (run: RunState): object => ({ ...run, started: [...run.started] });
