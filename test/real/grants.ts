import { randomBytes } from 'node:crypto';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdBinaries } from '../../src/etcd/throwaway/binaries.js';
import { startThrowawayEtcd } from '../../src/etcd/throwaway/throwaway.js';
import { errorsSince } from './backend-log.js';
import { layOutHost, type BackendHost } from './backend-host.js';
import { ferry } from './ferry.js';
import type { Outcome, Scenario } from './scenario.js';
import { makeApiKey, untilKeyWorks } from './sensu-api.js';

/** How long a backend on fresh grants is watched. */
const watchMs = 60_000;

/** Grants for an empty etcd with auth: a backend must start on them, and initialise where `plan` does not warn. */
export function grants(binaries: EtcdBinaries): Scenario {
  return {
    name: `grants-${binaries.version}`,
    table: 'Grants under start and init',
    run: async ({ sensu }, folder) => {
      const host = await layOutHost(join(folder, 'backend'), sensu);
      const etcd = await startThrowawayEtcd({ binaries });
      try {
        return await initialiseAndStart(host, etcd.endpoint, folder);
      } finally {
        await host.stop();
        await etcd.stop();
      }
    },
  };
}

async function initialiseAndStart(host: BackendHost, endpoint: string, folder: string): Promise<Outcome> {
  const password = await switchToEtcd(host, endpoint, folder);
  const files = ['--root-password-file', password.root, '--sensu-password-file', password.sensu];
  const rbac = ['rbac', 'apply', '--endpoints', endpoint, ...files, '--yes'];
  const applied = await ferry([...rbac, '--profile', 'init', '--enable-auth', '--json']);
  const initialised = await host.initialise().then(
    () => true,
    () => false,
  );
  const warned =
    applied.code === 3 && /"severity": ?"warning"/.test(applied.stdout) && /init/.test(applied.stdout);
  const lesser = await ferry([...rbac, '--profile', 'documented']);
  const verified = await ferry([
    ...['rbac', 'verify', '--endpoints', endpoint, '--sensu-password-file', password.sensu],
  ]);
  const started = await host.start().then(
    () => true,
    () => false,
  );
  if (initialised) await untilKeyWorks(await makeApiKey(host.apiUrl));
  await sleep(watchMs);
  const { errors } = await errorsSince(host.log, 0);
  const faults = [
    initialised || warned ? undefined : 'init failed, and nothing had warned of it',
    initialised && warned ? 'init succeeded, and was warned of' : undefined,
    lesser.code === 0 || lesser.code === 3
      ? undefined
      : `rbac apply ended with ${lesser.code}: ${lesser.stderr}`,
    verified.code === 0 ? undefined : `rbac verify ended with ${verified.code}: ${verified.stdout}`,
    started ? undefined : 'the backend does not start',
    errors.length === 0 ? undefined : `errors in the log: ${errors.map(({ words }) => words).join('; ')}`,
  ];
  return {
    cells: {
      'rbac apply --profile init': `exit ${applied.code}${warned ? ', warns of init' : ''}`,
      init: initialised ? 'done' : 'refused',
      'rbac verify': `exit ${verified.code}`,
      start: started ? 'answers' : 'fails',
      'errors in the log': String(errors.length),
    },
    faults: faults.filter((fault) => fault !== undefined),
  };
}

/** Configures the backend for an external etcd and a user of its own. */
async function switchToEtcd(
  host: BackendHost,
  endpoint: string,
  folder: string,
): Promise<{ readonly root: string; readonly sensu: string }> {
  const files = { root: join(folder, 'root-password'), sensu: join(folder, 'sensu-password') };
  const sensu = randomBytes(24).toString('hex');
  await writeFile(files.root, randomBytes(24).toString('hex'), { mode: 0o600 });
  await writeFile(files.sensu, sensu, { mode: 0o600 });
  await appendFile(host.backendConfig, `no-embed-etcd: true\netcd-client-urls: "${endpoint}"\n`);
  await writeFile(
    host.envFile,
    `SENSU_BACKEND_ETCD_CLIENT_USERNAME=sensu\nSENSU_BACKEND_ETCD_CLIENT_PASSWORD=${sensu}\n`,
    { mode: 0o600 },
  );
  return files;
}
