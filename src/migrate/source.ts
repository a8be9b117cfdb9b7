import { readFile, stat } from 'node:fs/promises';
import type { Context } from '../core/context.js';
import { FerryError, systemCode } from '../core/errors.js';
import { readFileOrPipe } from '../core/file-or-pipe.js';
import { largestPem } from '../core/trust.js';
import type { EtcdClient } from '../etcd/client.js';
import type { TlsFiles } from '../etcd/connect-options.js';
import { readTlsFiles } from '../etcd/transport/tls-files.js';
import {
  canonical,
  parseBackendConfig,
  readBackendConfig,
  variableOf,
  type BackendConfig,
  type ConfigSources,
} from '../sensu/backend/backend-config.js';
import type { SettingName } from '../sensu/backend/backend-settings.js';
import { parseEnvironment } from '../sensu/backend/environment-file.js';
import { noUnit, readUnit, type UnitSettings } from '../host/unit-file.js';
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
  const { unit, ...sources } = await sourcesOf(context, settings, runDirectory);
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
    findings: [
      ...config.findings,
      ...configurationFindings(config, sources.environment, settings.auth),
      ...(await environmentFindings(settings, unit)),
    ],
  };
}

/** What a backend takes its settings from; see `findSource` for the run directory. */
export async function sourcesOf(
  context: Context,
  settings: Pick<RecordedSettings, 'backendConfig' | 'envFile'>,
  runDirectory?: string,
): Promise<
  ConfigSources & { readonly environment: Readonly<Record<string, string>>; readonly unit: UnitSettings }
> {
  const unit = await readUnit(context.processes);
  const files = [...unit.environmentFiles, settings.envFile];
  const environment = {
    ...unit.environment,
    ...(await readEnvironmentFiles(files, settings, runDirectory)),
  };
  return { backendYml: settings.backendConfig, environment, flags: unit.flags, unit };
}

export async function connectSource(context: Context, source: MigrationSource): Promise<EtcdClient> {
  const { connect } = await import('../etcd/connect.js');
  return connect({ endpoints: source.endpoints, tls: source.tls, signal: context.signal });
}

/** systemd reads several, and the later wins; the one that is rewritten is read as it was. */
async function readEnvironmentFiles(
  paths: readonly string[],
  settings: Pick<RecordedSettings, 'envFile'>,
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
  auth: RecordedSettings['auth'],
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
  if (auth !== 'password') return [...findings, ...passwordLogin(config, auth)];
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

/** A backend that finds both logs in with them, whatever its certificate says. */
function passwordLogin(config: BackendConfig, auth: RecordedSettings['auth']): Finding[] {
  const [name, password] = [config.get('etcd-client-username'), config.get('etcd-client-password')];
  if (name.value === '' || password.value === '') return [];
  return [
    refusal(
      'CLIENT_USERNAME_SET',
      `A user name and a password for etcd are set for the backend already: it would log in with them, not as --auth ${auth} says.`,
      'Take SENSU_BACKEND_ETCD_CLIENT_USERNAME and _PASSWORD out of the environment files and the unit (in backend.yml: etcd-client-username and etcd-client-password); the embedded etcd needs neither.',
    ),
  ];
}

const credentials = ['SENSU_BACKEND_ETCD_CLIENT_USERNAME', 'SENSU_BACKEND_ETCD_CLIENT_PASSWORD'];

/** A backend that does not get what the switch writes there comes up without a user, and is refused by etcd. */
async function environmentFindings(
  { auth, envFile, startCommand }: RecordedSettings,
  unit: UnitSettings,
): Promise<Finding[]> {
  if (auth !== 'password') return [];
  if (unit === noUnit) return missingEnvironmentFile(envFile);
  // What specifiers and patterns stand for is known to systemd alone.
  if (unit.environmentFiles.some((path) => /[%*?[]/.test(path))) return [];
  const paths = await Promise.all(unit.environmentFiles.map(canonical));
  const at = paths.lastIndexOf(await canonical(envFile));
  // Another start command need not go by the unit.
  const found = /\bsystemctl\b/.test(startCommand) ? refusal : warning;
  if (at < 0) {
    const read = unit.environmentFiles.join(' and ') || 'none';
    return [
      found(
        'ENVIRONMENT_FILE_NOT_READ',
        `The unit of the backend does not read ${envFile}: its environment files are ${read}.`,
        'Give one of those with --env-file, or name this one in a drop-in (systemctl edit sensu-backend).',
      ),
    ];
  }
  for (const path of paths.slice(at + 1)) {
    const variables = parseEnvironment(await readIfThere(path));
    if (!credentials.some((name) => variables.has(name))) continue;
    return [
      found(
        'ENVIRONMENT_OUTRANKED',
        `${path}, which the unit reads after ${envFile}, sets the etcd user or password too, and wins.`,
        `Take them out there, or give that file with --env-file.`,
      ),
    ];
  }
  return [];
}

/** Made by the switch: a name with a slip in it would pass for one of a file that was never needed before. */
async function missingEnvironmentFile(envFile: string): Promise<Finding[]> {
  const isMissing = await stat(envFile).then(
    () => false,
    (error: unknown) => systemCode(error) === 'ENOENT',
  );
  if (!isMissing) return [];
  return [
    warning(
      'ENVIRONMENT_FILE_MISSING',
      `There is no environment file ${envFile}: the migration makes it, and nothing shows that the backend reads it.`,
      'Check the name that --env-file gives, and that the start command reads that file.',
    ),
  ];
}

async function readIfNamed(path: string): Promise<Buffer | undefined> {
  return path === '' ? undefined : readFileOrPipe(path, largestPem).catch(() => undefined);
}

/** To open a pipe would be to wait for ever. */
async function readIfThere(path: string): Promise<string> {
  try {
    if (!(await stat(path)).isFile()) throw unusable(path, 'is no regular file');
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof FerryError) throw error;
    if (systemCode(error) === 'ENOENT') return '';
    throw unusable(path, `cannot be read (${systemCode(error) ?? 'unknown error'})`);
  }
}

function unusable(path: string, fault: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'ENVIRONMENT_FILE_UNUSABLE',
    message: `The environment file ${path} ${fault}.`,
    hint: 'Give the environment file of the backend with --env-file. Nothing was changed.',
  });
}
