import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { makeFolder } from '../core/folder.js';
import { formatCounted } from '../core/units.js';
import { compareVersions, findEtcdBinaries, type EtcdBinaries } from '../etcd/throwaway/binaries.js';
import { createAuthority, writeCertifiedKey, writePem } from '../etcd/throwaway/certificates.js';
import { connect } from '../etcd/connect.js';
import { startThrowawayEtcd, type ThrowawayEtcd } from '../etcd/throwaway/throwaway.js';
import { planMigration, type MigrationPlan } from '../migrate/plan.js';
import { readSecrets } from '../migrate/read-secrets.js';
import type { MigrationReport } from '../migrate/report.js';
import { applyMigration } from '../migrate/engine/run.js';
import type { RecordedSettings } from '../migrate/settings.js';
import { createApiClient } from '../sensu/api/client.js';
import { createServiceControl } from '../host/service-control.js';
import { prefixRange } from '../store/sensu-root.js';
import { stageBackend, type StagedBackend } from './stage.js';
import { missingFrom, startWriter } from './writer.js';

export interface DemoOptions {
  /** Kept afterwards; without it a temporary directory that is removed. */
  readonly directory?: string;
  readonly tool: string;
  /** Called before anything is changed. */
  readonly onPlan: (plan: MigrationPlan) => void;
}

export interface DemoResult {
  readonly report: MigrationReport;
  readonly acknowledgedKeys: number;
  readonly directory: string | undefined;
}

/** A user of the recorded store, whose password came with it. */
const recordedUser = { username: 'alice', password: 'AlicePass1' };

/**
 * The main job on this machine: a recorded store in an embedded etcd, with something that keeps writing to it, is
 * carried to three etcd members with TLS and auth. Everything listens on 127.0.0.1 and ends with the demo.
 */
export async function runDemo(context: Context, options: DemoOptions): Promise<DemoResult> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'sensu-ferry-demo-')));
  await makeFolder(directory, 0o700);
  const binaries = newestThatReadsRecorded(await findEtcdBinaries(context.env));
  const target = await startTarget(directory, binaries);
  try {
    return await migrateStaged(context, options, directory, binaries, target);
  } finally {
    await target.cluster.stop();
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
  }
}

/** The recorded log is of etcd 3.5: 3.4 refuses its version, and 3.7 panics at requests of the old form in it. */
function newestThatReadsRecorded(found: readonly EtcdBinaries[]): EtcdBinaries {
  const chosen = found.findLast(
    ({ version }) => compareVersions(version, '3.5.0') >= 0 && compareVersions(version, '3.7.0') < 0,
  );
  if (chosen !== undefined) return chosen;
  throw new FerryError({
    kind: 'usage',
    code: 'ETCD_BINARIES_MISSING',
    message: 'The demo needs etcd 3.5 or 3.6 on this machine, and there is none.',
    hint: "Run 'npm run etcd' in a checkout, or set ETCD_BIN_DIR to a folder with etcd and etcdctl.",
  });
}

interface Target {
  readonly cluster: ThrowawayEtcd;
  readonly tls: { readonly cacert: string; readonly cert: string; readonly key: string };
}

async function startTarget(directory: string, binaries: EtcdBinaries): Promise<Target> {
  const folder = join(directory, 'tls');
  await mkdir(folder, { mode: 0o700 });
  const authority = await createAuthority('sensu-ferry demo CA');
  const server = await authority.issueServer(['127.0.0.1', 'localhost']);
  const cacert = join(folder, 'ca.crt');
  await writePem(cacert, authority.ca);
  const client = await writeCertifiedKey(folder, 'client', await authority.issueClient('sensu'));
  const tls = { ca: authority.ca, ...server, clientCertificates: true };
  return { cluster: await startThrowawayEtcd({ binaries, members: 3, tls }), tls: { cacert, ...client } };
}

async function migrateStaged(
  context: Context,
  options: DemoOptions,
  directory: string,
  binaries: EtcdBinaries,
  target: Target,
): Promise<DemoResult> {
  const staged = await stageBackend(join(directory, 'backend'), binaries);
  const settings = await settingsFor(staged, directory, target);
  const service = createServiceControl(context, settings);
  await service.start();
  try {
    await untilAnswering(staged);
    await writeApiKey(staged, settings);
    const writer = await startWriter([staged.clientUrl]);
    const secrets = await readSecrets(settings);
    const plan = await planMigration(context, settings, secrets, join(directory, 'run'));
    options.onPlan(plan);
    const report = await applyMigration(context, plan, secrets, options.tool);
    const acknowledged = await writer.stop();
    const client = await connect({
      endpoints: settings.endpoints,
      tls: secrets.targetTls,
      credentials: secrets.root!,
    });
    const missing = await missingFrom(client, acknowledged);
    await client.close();
    if (missing.length > 0) throw lost(missing);
    if (!(await logsIn(staged))) throw loginLost();
    return { report, acknowledgedKeys: acknowledged.size, directory: options.directory };
  } finally {
    await service.stop();
  }
}

async function settingsFor(
  staged: StagedBackend,
  directory: string,
  target: Target,
): Promise<RecordedSettings & { readonly apiKeyFile: string }> {
  const rootPasswordFile = join(directory, 'root-password');
  await writeFile(rootPasswordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' });
  return {
    backendConfig: staged.backendConfig,
    envFile: staged.envFile,
    endpoints: [...target.cluster.endpoints],
    tls: target.tls,
    sourceTls: {},
    stopCommand: staged.stopCommand,
    startCommand: staged.startCommand,
    apiUrl: staged.apiUrl,
    apiKeyFile: join(directory, 'api-key'),
    rootPasswordFile,
    auth: 'certificate',
    etcdUser: 'sensu',
    profile: 'documented',
    enableAuth: true,
    configOnly: false,
    startTimeoutSeconds: 90,
    watchSeconds: 4,
    logFile: join(staged.directory, 'backend.log'),
  };
}

async function untilAnswering(staged: StagedBackend): Promise<void> {
  const api = createApiClient({ url: staged.apiUrl });
  const giveUpAt = performance.now() + 90_000;
  for (;;) {
    try {
      await api.version();
      return;
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
    }
  }
}

/** Any API key of the recorded store: that it still works afterwards is one of the proofs. */
async function writeApiKey(staged: StagedBackend, settings: { readonly apiKeyFile: string }): Promise<void> {
  const client = await connect({ endpoints: [staged.clientUrl] });
  const { entries } = await client.range({ ...prefixRange(Buffer.from('/sensu.io/apikeys/')), limit: 1 });
  await client.close();
  const key = entries[0]!.key.toString('utf8').split('/').at(-1)!;
  await writeFile(settings.apiKeyFile, key, { mode: 0o600, flag: 'wx' });
}

function logsIn(staged: StagedBackend): Promise<boolean> {
  return createApiClient({ url: staged.apiUrl }).authenticates(recordedUser.username, recordedUser.password);
}

function lost(missing: readonly string[]): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'WRITES_LOST',
    message: `${formatCounted(missing.length, 'acknowledged write is', 'acknowledged writes are')} not on the target, ${missing[0]!} among them.`,
    hint: 'This is a defect of sensu-ferry; please report it.',
  });
}

function loginLost(): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'LOGIN_LOST',
    message: `The user ${recordedUser.username} cannot log in after the migration.`,
    hint: 'This is a defect of sensu-ferry; please report it.',
  });
}
