import { readSecretFile } from '../core/secret-file.js';
import { readTlsFiles } from '../etcd/tls-files.js';
import { rootName, sensuUser } from '../rbac/wanted.js';
import type { RecordedSettings, Secrets } from './settings.js';

/** Reads every file that the settings name, so that a missing one is known before anything is changed. */
export async function readSecrets(settings: RecordedSettings): Promise<Secrets> {
  const { rootPasswordFile, sensuPasswordFile, apiKeyFile } = settings;
  return {
    targetTls: await readTlsFiles(settings.tls),
    root:
      rootPasswordFile === undefined
        ? undefined
        : { username: rootName, password: await readSecretFile(rootPasswordFile, 'root password') },
    sensu: {
      username: sensuUser,
      password: await readSecretFile(sensuPasswordFile, `password of the etcd user ${sensuUser}`),
    },
    apiKey: apiKeyFile === undefined ? undefined : await readSecretFile(apiKeyFile, 'API key'),
  };
}
