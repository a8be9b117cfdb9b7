import { readSecretFile } from '../core/secret-file.js';
import type { Credentials } from '../etcd/connect-options.js';
import { readTlsFiles } from '../etcd/transport/tls-files.js';
import { refuseLongPassword } from '../rbac/password-file.js';
import { rootName } from '../rbac/wanted.js';
import type { RecordedSettings, Secrets } from './settings.js';

/** Reads every file that the settings name, so that a missing one is known before anything is changed. */
export async function readSecrets(settings: RecordedSettings): Promise<Secrets> {
  const { rootPasswordFile, sensuPasswordFile, apiKeyFile, auth, etcdUser } = settings;
  return {
    targetTls: await readTlsFiles(settings.tls),
    root: rootPasswordFile === undefined ? undefined : await readCredentials(rootPasswordFile, rootName),
    sensu:
      auth === 'password' && sensuPasswordFile !== undefined
        ? await readCredentials(sensuPasswordFile, etcdUser)
        : undefined,
    apiKey: apiKeyFile === undefined ? undefined : await readSecretFile(apiKeyFile, 'API key'),
  };
}

async function readCredentials(path: string, username: string): Promise<Credentials> {
  const password = await readSecretFile(path, `password of the etcd user ${username}`);
  refuseLongPassword(password, username);
  return { username, password };
}
