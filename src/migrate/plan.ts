import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatBytes, formatCounted, formatDuration } from '../core/units.js';
import { strategyFor } from './copy/copy-strategy.js';
import type { Finding, Severity } from './findings.js';
import { inspectApi } from './preflight/api.js';
import { inspectCertificates } from './preflight/certificates.js';
import { inspectFiles } from './preflight/files.js';
import { inspectHost } from './preflight/host.js';
import { inspectLeftBehind } from './preflight/left-behind.js';
import { inspectSource, type SourceFacts } from './preflight/source.js';
import { inspectTarget, type TargetFacts } from './preflight/target.js';
import { inspectLogin } from '../rbac/inspect-login.js';
import { planRbac } from '../rbac/plan.js';
import { rbacOptions } from './copy/grants.js';
import { connectTarget } from './resources.js';
import { loginOf, type RecordedSettings, type Secrets } from './settings.js';
import { connectSource, findSource, type MigrationSource } from './source.js';

interface PlannedStep {
  readonly title: string;
  readonly changes: string;
  /** True when the backend is away while it runs. */
  readonly downtime: boolean;
}

/** What was found, and what would be done about it. Nothing was changed to make it. */
export interface MigrationPlan {
  readonly settings: RecordedSettings;
  readonly runDirectory: string;
  readonly source: MigrationSource;
  readonly sourceFacts: SourceFacts | undefined;
  readonly targetFacts: TargetFacts | undefined;
  readonly findings: readonly Finding[];
  /** What the grants step would do; undefined when the target cannot be asked. */
  readonly grants: readonly string[] | undefined;
  readonly steps: readonly PlannedStep[];
  /** Estimated, in milliseconds. */
  readonly downtime: { readonly least: number; readonly most: number };
}

/**
 * Looks at everything and changes nothing. Findings are gathered rather than thrown, so that the operator
 * sees all of them at once; what cannot be reached is a finding too.
 */
export async function planMigration(
  context: Context,
  settings: RecordedSettings,
  secrets: Secrets,
  runDirectory: string,
): Promise<MigrationPlan> {
  const source = await findSource(context, settings);
  const findings: Finding[] = [...source.findings];
  const sourceFacts = await gather(findings, 'SOURCE', () => lookAtSource(context, source, settings));
  const api = await inspectApi(settings, source, secrets, sourceFacts?.sensuClusterId);
  const targetFacts = await gather(findings, 'TARGET', () =>
    lookAtTarget(context, settings, secrets, sourceFacts, api.sensuVersion),
  );
  const certificates = {
    endpoints: settings.endpoints,
    tls: secrets.targetTls,
    backendCa: source.tls.ca,
    now: context.clock.now(),
  };
  findings.push(
    ...(await inspectCertificates(certificates)),
    ...api.findings,
    ...(await inspectFiles({ settings, secrets })),
    ...(await inspectHost(settings, source.dataDirectory, runDirectory, sourceFacts)),
  );
  return {
    settings,
    runDirectory,
    source,
    sourceFacts,
    targetFacts,
    findings,
    grants: targetFacts?.grants,
    steps: strategyFor(settings).steps.map(({ title, changes, downtime }) => ({ title, changes, downtime })),
    downtime: estimateDowntime(sourceFacts),
  };
}

type PlannedTarget = TargetFacts & { readonly grants: readonly string[] };

interface Looked<Facts> {
  readonly facts: Facts;
  readonly findings: readonly Finding[];
}

/** What etcd asks for by options of its own has other names here. */
const loginRemedies = {
  SOURCE: new Map([
    [
      'ETCD_AUTH_REQUIRED',
      'The embedded etcd has auth, with which no embedded backend works: turn it off with etcdctl auth disable.',
    ],
  ]),
  TARGET: new Map(
    ['ETCD_AUTH_REQUIRED', 'ETCD_PERMISSION_DENIED', 'ETCD_USER_NOT_FOUND', 'ETCD_ROOT_NEEDED'].map(
      (code) => [
        code,
        'Auth is on there: name the file with the password of root with --root-password-file FILE.',
      ],
    ),
  ),
};

/** An endpoint that cannot be reached, or refuses the password, is a finding like any other. */
async function gather<Facts>(
  findings: Finding[],
  side: 'SOURCE' | 'TARGET',
  look: () => Promise<Looked<Facts>>,
): Promise<Facts | undefined> {
  try {
    const looked = await look();
    findings.push(...looked.findings);
    return looked.facts;
  } catch (error) {
    if (!(error instanceof FerryError)) throw error;
    const name = side === 'SOURCE' ? 'The embedded etcd' : 'The target';
    findings.push({
      severity: 'refusal',
      code: `${side}_${error.code}`,
      sentence: `${name}: ${error.message}`,
      remedy: loginRemedies[side].get(error.code) ?? error.hint,
      kind: error.kind,
    });
    return undefined;
  }
}

async function lookAtSource(
  context: Context,
  source: MigrationSource,
  { configOnly }: RecordedSettings,
): Promise<Looked<SourceFacts>> {
  const client = await connectSource(context, source);
  try {
    const { facts, findings } = await inspectSource(client);
    if (!configOnly) return { facts, findings };
    return { facts, findings: [...findings, ...(await inspectLeftBehind(client, source))] };
  } finally {
    await client.close();
  }
}

async function lookAtTarget(
  context: Context,
  settings: RecordedSettings,
  secrets: Secrets,
  source: SourceFacts | undefined,
  sensuVersion: string | undefined,
): Promise<Looked<PlannedTarget>> {
  const client = await connectTarget(context, settings, secrets);
  try {
    const looked = await inspectTarget(context, client, source, {
      tls: secrets.targetTls,
      enableAuth: settings.enableAuth,
      withoutAuth: settings.auth === 'none',
      configOnly: settings.configOnly,
      hasRootPassword: secrets.root !== undefined,
    });
    const login = loginOf(settings);
    const rbac = await planRbac(client, rbacOptions(settings, secrets));
    const { targetTls: tls, root: credentials } = secrets;
    const { profile } = settings;
    const authWanted = looked.facts.authEnabled || settings.enableAuth;
    return {
      facts: { ...looked.facts, grants: rbac.steps.map(({ what }) => what) },
      findings: [
        ...looked.findings,
        // Notes are about clusters that backends use already.
        ...rbac.findings.filter(({ severity }) => severity === 'warning'),
        ...(await inspectLogin(client, { login, profile, authWanted, tls, credentials, sensuVersion })),
      ],
    };
  } finally {
    await client.close();
  }
}

/** A backend needs this long to stop and to answer again, whatever its store: 0.3 s and 2 to 3.5 s were seen. */
const restart = { least: 2500, most: 6000 };
/** Bytes of a data directory that are read and indexed in a second, on two slow cores. */
const readRate = 200 * 1024 * 1024;

function estimateDowntime(source: SourceFacts | undefined): MigrationPlan['downtime'] {
  const read = (Number(source?.dbSize ?? 0n) / readRate) * 1000;
  return { least: restart.least + read, most: restart.most + 3 * read };
}

/** For `--json`: what the plan says, without the files that were read to make it, a private key among them. */
export function planDocument(plan: MigrationPlan): object {
  const { settings, runDirectory, source, sourceFacts, targetFacts, findings, grants, steps, downtime } =
    plan;
  const { endpoints, dataDirectory, apiUrl } = source;
  return {
    settings,
    runDirectory,
    source: { endpoints, dataDirectory, apiUrl, ...sourceFacts, backends: undefined },
    target: { endpoints: settings.endpoints, ...targetFacts },
    findings,
    grants: grants ?? null,
    steps,
    downtimeSeconds: isRefused(plan) ? null : { least: downtime.least / 1000, most: downtime.most / 1000 },
  };
}

/** What is refused has no downtime. */
function isRefused({ findings }: MigrationPlan): boolean {
  return findings.some(({ severity }) => severity === 'refusal');
}

/** Throws the refusals, if there are any, as one error that names them all. */
export function refuseUnfit(plan: MigrationPlan): void {
  const refusals = plan.findings.filter(({ severity }) => severity === 'refusal');
  const first = refusals[0];
  if (first === undefined) return;
  const others = refusals.length === 1 ? '' : ` (and ${refusals.length - 1} more, listed above)`;
  throw new FerryError({
    kind: first.kind ?? 'refused',
    code: first.code,
    message: `The migration is refused: ${first.sentence}${others}`,
    hint: first.remedy,
  });
}

const order: readonly Severity[] = ['refusal', 'warning', 'note'];

function describeFindings(findings: readonly Finding[]): readonly string[] {
  if (findings.length === 0) return ['Preflight found nothing to say.'];
  const lines = order.flatMap((severity) =>
    findings
      .filter((finding) => finding.severity === severity)
      .flatMap(({ code, sentence, remedy }) => [
        `  ${severity.padEnd(8)}${sentence} [${code}]`,
        `          -> ${remedy}`,
      ]),
  );
  return ['Preflight:', ...lines];
}

export function describePlan(plan: MigrationPlan): readonly string[] {
  return [...describeFindings(plan.findings), '', ...describeSteps(plan)];
}

export function describeSteps(plan: MigrationPlan): readonly string[] {
  const { sourceFacts, targetFacts, downtime } = plan;
  const steps = plan.steps.flatMap(({ title, changes, downtime: away }, index) => [
    `  ${index + 1}. ${title}${away ? '   (backend away)' : ''}`,
    `     ${changes}`,
  ]);
  const grants = plan.grants?.map((what) => `  - ${what}`) ?? [];
  return [
    sourceFacts &&
      `From: embedded etcd ${sourceFacts.etcdVersion} at ${plan.source.endpoints.join(', ')}, ` +
        `${formatCounted(sourceFacts.keys, 'key')}, ${formatBytes(sourceFacts.dbSizeInUse)} in use`,
    targetFacts &&
      `To:   etcd ${targetFacts.versions.join(', ')}, ${formatCounted(targetFacts.members.length, 'member')}, ` +
        `at ${plan.settings.endpoints.join(', ')}`,
    '',
    'Plan:',
    ...steps,
    '',
    ...(grants.length > 0 ? ['On the target, step 2 will:', ...grants, ''] : []),
    ...(isRefused(plan)
      ? ['None of this is done as long as a refusal stands.']
      : [
          `The backend will be away for about ${formatDuration(downtime.least)} to ${formatDuration(downtime.most)}.`,
          'Until the new configuration is in place, any failure starts it again on its untouched embedded store.',
        ]),
  ].filter((line) => line !== undefined);
}
