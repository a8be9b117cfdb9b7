import { readFile } from 'node:fs/promises';
import type { Context } from '../core/context.js';
import { systemCode } from '../core/errors.js';
import type { EtcdClient, TlsFiles } from '../etcd/client.js';
import { readTlsFiles } from '../etcd/tls-files.js';
import {
  parseBackendConfig,
  readBackendConfig,
  variableOf,
  type BackendConfig,
} from '../sensu/backend-config.js';
import type { SettingName } from '../sensu/backend-settings.js';
import { parseEnvironment } from '../sensu/environment-file.js';
import { readUnit } from '../sensu/unit-file.js';
import { refusal, warning, type Finding } from './findings.js';
import { readOriginal } from './originals.js';
import type { RecordedSettings } from './settings.js';

/** The backend as it is configured before the switch. */
export interface MigrationSource {
  readonly endpoints: readonly string[];
  readonly tls: TlsFiles;
  /** `<state-dir>/etcd`. */
  readonly dataDirectory: string;
  readonly apiUrl: string;
  readonly apiCa: Buffer | undefined;
  /** What the configuration itself gives cause to say. */
  readonly findings: readonly Finding[];
}

/**
 * Finds the source as Sensu would: flags of the unit, environment files, then backend.yml. With a run directory
 * the files count as they were before the run changed them.
 */
export async function findSource(
  context: Context,
  settings: RecordedSettings,
  runDirectory?: string,
): Promise<MigrationSource> {
  const unit = await readUnit(context.processes);
  const environment = {
    ...unit.environment,
    ...(await readEnvironmentFiles([...unit.environmentFiles, settings.envFile], settings, runDirectory)),
  };
  const sources = { backendYml: settings.backendConfig, environment, flags: unit.flags };
  const original = runDirectory && (await readOriginal(runDirectory, 'backend.yml'));
  const config =
    original instanceof Buffer
      ? parseBackendConfig(original.toString('utf8'), sources)
      : await readBackendConfig(sources);
  const tls = sourceTlsPaths(settings, config);
  return {
    endpoints: settings.sourceEndpoints ?? config.clientEndpoints,
    tls: await readTlsFiles(tls),
    dataDirectory: config.dataDirectory,
    apiUrl: settings.apiUrl ?? config.get('api-url').value,
    apiCa: await readIfNamed(config.get('trusted-ca-file').value),
    findings: [...config.findings, ...configurationFindings(config, environment)],
  };
}

export async function connectSource(context: Context, source: MigrationSource): Promise<EtcdClient> {
  const { connect } = await import('../etcd/connect.js');
  return connect({ endpoints: source.endpoints, tls: source.tls, signal: context.signal });
}

/** systemd reads several, and the later wins; the one that is rewritten is read as it was. */
async function readEnvironmentFiles(
  paths: readonly string[],
  settings: RecordedSettings,
  runDirectory: string | undefined,
): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const path of new Set(paths)) {
    const kept = path === settings.envFile && runDirectory !== undefined;
    const original = kept ? await readOriginal(runDirectory, 'environment') : 'not-kept';
    const text = original === 'not-kept' ? await readIfThere(path) : (original?.toString('utf8') ?? '');
    Object.assign(variables, Object.fromEntries(parseEnvironment(text)));
  }
  return variables;
}

function sourceTlsPaths(settings: RecordedSettings, config: BackendConfig): RecordedSettings['sourceTls'] {
  const { sourceTls } = settings;
  const cacert = sourceTls.cacert ?? (config.get('etcd-trusted-ca-file').value || undefined);
  const cert = sourceTls.cert ?? (config.get('etcd-cert-file').value || undefined);
  const key = sourceTls.key ?? (config.get('etcd-key-file').value || undefined);
  return {
    ...(cacert !== undefined && { cacert }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

/** Settings that the switch writes into backend.yml; elsewhere they outrank it. */
const switched: readonly SettingName[] = [
  'no-embed-etcd',
  'etcd-client-urls',
  'etcd-trusted-ca-file',
  'etcd-cert-file',
  'etcd-key-file',
];

function configurationFindings(
  config: BackendConfig,
  environment: Readonly<Record<string, string>>,
): Finding[] {
  const findings: Finding[] = [];
  if (config.get('no-embed-etcd').value) {
    findings.push(
      refusal(
        'ALREADY_EXTERNAL',
        'The backend is configured for an external etcd already (no-embed-etcd).',
        "To move it to another one, use 'snapshot save' and 'restore etcd'.",
      ),
    );
  }
  for (const name of switched) {
    const { origin } = config.get(name);
    if (origin !== 'flag' && origin !== 'environment') continue;
    const place = origin === 'flag' ? "the unit's start command" : `the variable ${variableOf(name)}`;
    findings.push(
      refusal(
        'SETTING_OUTRANKS_FILE',
        `${name} is set by ${place}, which outranks backend.yml: the switch would have no effect.`,
        'Move that setting into backend.yml, restart the backend, and try again.',
      ),
    );
  }
  if (environment['SENSU_BACKEND_ETCD_CLIENT_USERNAME'] !== undefined) {
    findings.push(
      warning(
        'CLIENT_USERNAME_SET',
        'SENSU_BACKEND_ETCD_CLIENT_USERNAME is set already, and will be replaced in the environment file.',
        'Make sure that no other file sets it too: the later file wins.',
      ),
    );
  }
  return findings;
}

async function readIfNamed(path: string): Promise<Buffer | undefined> {
  return path === '' ? undefined : readFile(path).catch(() => undefined);
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
}
