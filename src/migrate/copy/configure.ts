import { readFile } from 'node:fs/promises';
import { systemCode } from '../../core/errors.js';
import type { Credentials } from '../../etcd/connect-options.js';
import { rewriteBackendYml, type RewrittenYml } from '../../sensu/backend/backend-yml.js';
import { putBackConfigFile, removeConfigFile, replaceConfigFile } from '../../host/config-file.js';
import {
  mergeEnvironment,
  withoutVariables,
  type MergedEnvironment,
} from '../../sensu/backend/environment-file.js';
import { dropUnfinishedOriginal, keepOriginal, readOriginal, readOriginalMode } from '../originals.js';
import type { Step, StepContext, UndoContext } from '../engine/strategy.js';

const loginVariables = ['SENSU_BACKEND_ETCD_CLIENT_USERNAME', 'SENSU_BACKEND_ETCD_CLIENT_PASSWORD'];

/** What the switch makes its files of. */
export type Files = Pick<StepContext, 'settings' | 'secrets'>;

/** The switch. The environment file comes first: it changes nothing for a backend that is still embedded. */
export const configureStep: Step<'configure'> = {
  id: 'configure',
  title: 'Switch backend.yml and the environment file to the external etcd',
  changes: 'rewrites both files; the old ones are kept beside them and in the run directory',
  downtime: true,
  async run(step) {
    const { settings, secrets, runDirectory, source } = step;
    if (secrets.sensu) await keepOriginal(runDirectory, 'environment', settings.envFile);
    await keepOriginal(runDirectory, 'backend.yml', settings.backendConfig);
    return {
      environment: secrets.sensu ? await rewriteEnvironment(step, secrets.sensu) : [],
      backendYml: await rewriteConfiguration(step),
      oldStore: source.dataDirectory,
    };
  },
  async undo(step) {
    await restore(step, 'backend.yml', step.settings.backendConfig);
    await restore(step, 'environment', step.settings.envFile);
  },
};

/** For a login by password; no other touches the file. @throws FerryError as `mergeEnvironment` */
export async function switchedEnvironment(
  { settings }: Pick<Files, 'settings'>,
  { username, password }: Credentials,
): Promise<MergedEnvironment> {
  return mergeEnvironment(await readIfThere(settings.envFile), {
    SENSU_BACKEND_ETCD_CLIENT_USERNAME: username,
    SENSU_BACKEND_ETCD_CLIENT_PASSWORD: password,
  });
}

/** @throws FerryError as `rewriteBackendYml` */
export async function switchedConfiguration({ settings }: Pick<Files, 'settings'>): Promise<RewrittenYml> {
  const { cacert, cert, key } = settings.tls;
  return rewriteBackendYml(await readFile(settings.backendConfig, 'utf8'), {
    clientUrls: settings.endpoints,
    ...(cacert !== undefined && { trustedCaFile: cacert }),
    ...(cert !== undefined && { certFile: cert }),
    ...(key !== undefined && { keyFile: key }),
  });
}

async function rewriteEnvironment(step: StepContext, login: Credentials): Promise<string[]> {
  const { context, settings } = step;
  const merged = await switchedEnvironment(step, login);
  const { movedTo } = await replaceConfigFile(settings.envFile, merged.text, context.clock.now(), {
    mode: 0o600,
  });
  return [`${settings.envFile}: SENSU_BACKEND_ETCD_CLIENT_USERNAME and _PASSWORD set${beside(movedTo)}`];
}

async function rewriteConfiguration(step: StepContext): Promise<string[]> {
  const { context, settings } = step;
  const rewritten = await switchedConfiguration(step);
  const { movedTo } = await replaceConfigFile(settings.backendConfig, rewritten.text, context.clock.now());
  return [
    `${settings.backendConfig}: rewritten${beside(movedTo)}`,
    ...rewritten.changes.map(({ key: name, after }) =>
      after === undefined ? `  ${name}: taken out` : `  ${name}: ${JSON.stringify(after)}`,
    ),
  ];
}

async function restore(
  { context, runDirectory }: UndoContext,
  name: 'backend.yml' | 'environment',
  path: string,
): Promise<void> {
  await dropUnfinishedOriginal(runDirectory, name);
  const original = await readOriginal(runDirectory, name);
  if (original === 'not-kept') return;
  const nothing = Buffer.alloc(0);
  if (original === undefined) {
    const keep = (switched: Buffer) => withoutLogin(switched, nothing);
    await removeConfigFile(path, context.clock.now(), { keep });
  } else {
    const mode = await readOriginalMode(runDirectory, name);
    await putBackConfigFile(path, original, context.clock.now(), {
      ...(mode !== undefined && { mode }),
      ...(name === 'environment' && { keep: (switched: Buffer) => withoutLogin(switched, original) }),
    });
  }
}

/** What somebody has changed there since the switch, but not the password that the switch has put there. */
function withoutLogin(switched: Buffer, original: Buffer): Buffer | undefined {
  const kept = withoutVariables(switched.toString('latin1'), loginVariables);
  const isChanged =
    kept.trimEnd() !== withoutVariables(original.toString('latin1'), loginVariables).trimEnd();
  return isChanged ? Buffer.from(kept, 'latin1') : undefined;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
}

const beside = (movedTo: string | undefined): string =>
  movedTo === undefined ? '' : `; the old one is ${movedTo}`;
