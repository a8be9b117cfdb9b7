import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { identifyProcess } from '../../src/host/process-identity.js';
import { stageConfiguration, type StagedBackend } from '../../src/demo/stage.js';
import type { EtcdClient } from '../../src/etcd/client.js';
import type { Permission } from '../../src/etcd/facets/auth.js';
import { freePorts } from '../../src/etcd/throwaway/free-ports.js';
import { applyRestoreEtcd, planRestoreEtcd } from '../../src/restore/etcd/restore-etcd.js';
import { createApiClient, explainHealth, type ApiClient } from '../../src/sensu/api/client.js';
import { rewriteBackendYml } from '../../src/sensu/backend/backend-yml.js';
import { mergeEnvironment } from '../../src/sensu/backend/environment-file.js';
import { openStore } from '../../src/snapshot/open/open.js';
import { prefixRange, sensuRoot } from '../../src/store/sensu-root.js';
import { silentContext } from '../support/silent-context.js';
import { snapshotOf } from '../restore/etcd/truth.js';
import { enableAuth, etcdBinaries, etcdVersion, startEtcd, type RunningEtcd } from '../support/etcd.js';

const program = fileURLToPath(new URL('../../dist/demo/backend-double/main.js', import.meta.url));
const password = `sensu's "pass\\word" of $the \`test\``;

const grant = (access: Permission['access'], key: string, end?: string): Permission => ({
  access,
  key: Buffer.from(key),
  ...(end !== undefined && { end: Buffer.from(end) }),
});
/** What the guide's command grants. */
const guide = grant('readwrite', '/sensu.io/', '\0');
const rootKey = grant('read', '/sensu.io');

let etcd: RunningEtcd;
let client: EtcdClient;
let staged: StagedBackend;
beforeEach(async () => {
  etcd = await startEtcd({ until: 'test' });
  client = await etcd.connect();
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-double-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  staged = await stageConfiguration(folder, join(folder, 'state'), etcdBinaries(etcdVersion));
});

/** As `restore etcd` does it, leases and all. */
async function fill(): Promise<void> {
  const context = silentContext();
  const source = await openStore(snapshotOf('cluster3-6.12.0'), context);
  onTestFinished(() => {
    source.close();
  });
  const { load } = await planRestoreEtcd(context, client, source, { tls: {} });
  await applyRestoreEtcd(context, client, source, load);
}

/** As `etcdctl make-mirror` leaves a store: every key, and no lease. */
async function dropLeases(): Promise<void> {
  const { entries } = await client.range(sensuRoot);
  for (const { key, value, lease } of entries) {
    if (lease !== undefined) await client.txn({ writes: [{ type: 'put', key, value }] });
  }
  for (const id of await client.leaseIds()) await client.revokeLease(id);
}

async function allow(...permissions: Permission[]): Promise<void> {
  await client.auth.addRole('sensu_readwrite');
  for (const permission of permissions) await client.auth.grantPermission('sensu_readwrite', permission);
  await client.auth.addUser('sensu', password);
  await client.auth.grantRole('sensu', 'sensu_readwrite');
  await enableAuth(etcd);
}

async function pointAt(
  endpoints: readonly string[],
  credentials?: { readonly password: string },
): Promise<void> {
  const yml = await readFile(staged.backendConfig, 'utf8');
  await writeFile(staged.backendConfig, rewriteBackendYml(yml, { clientUrls: endpoints }).text);
  if (credentials === undefined) return;
  const { text } = mergeEnvironment(await readFile(staged.envFile, 'utf8'), {
    SENSU_BACKEND_ETCD_CLIENT_USERNAME: 'sensu',
    SENSU_BACKEND_ETCD_CLIENT_PASSWORD: credentials.password,
  });
  await writeFile(staged.envFile, text);
}

interface Started {
  readonly child: ChildProcess;
  readonly said: () => string;
}

function start(): Started {
  const child = spawn(process.execPath, [program, staged.directory], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part: Buffer) => (said += part.toString()));
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, said: () => said };
}

/** What it says at its end; it must have failed of its own accord. */
async function refusal(): Promise<string> {
  const { child, said } = start();
  const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(90_000) })) as [number | null];
  expect(code).toBe(1);
  expect(said()).not.toContain(password);
  return said();
}

async function up(apiKey?: string): Promise<ApiClient> {
  const { child, said } = start();
  const api = createApiClient({ url: staged.apiUrl, ...(apiKey !== undefined && { apiKey }) });
  const giveUpAt = performance.now() + 90_000;
  for (;;) {
    try {
      await api.version();
      return api;
    } catch (error) {
      if (child.exitCode !== null || performance.now() > giveUpAt) throw new Error(said(), { cause: error });
      await sleep(50);
    }
  }
}

async function anyApiKey(): Promise<string> {
  const { entries } = await client.range(prefixRange(Buffer.from('/sensu.io/apikeys/')));
  return entries[0]!.key.toString().split('/').at(-1)!;
}

const recorded = async (name: string): Promise<string> => {
  const path = new URL(`../../fixtures/cluster3-6.12.0/http/${name}.txt`, import.meta.url);
  return (await readFile(path, 'utf8'))
    .split(/\r?\n\r?\n/)
    .slice(1)
    .join('\n\n')
    .trim();
};

describe('the double of sensu-backend on an external etcd', () => {
  it('is denied with the grant of the guide, which leaves out the key /sensu.io', async () => {
    await fill();
    await allow(guide);
    await pointAt(etcd.endpoints, { password });
    expect(await refusal()).toContain('etcdserver: permission denied');
  });

  it('is denied without the right to write', async () => {
    await fill();
    await allow(rootKey, grant('read', '/sensu.io/', '\0'));
    await pointAt(etcd.endpoints, { password });
    expect(await refusal()).toContain('etcdserver: permission denied');
  });

  it('is refused with a wrong password, and without one', async () => {
    await fill();
    await allow(guide, rootKey);
    await pointAt(etcd.endpoints, { password: 'wrong' });
    expect(await refusal()).toContain('authentication failed, invalid user ID or password');
    await writeFile(staged.envFile, 'SENSU_BACKEND_ETCD_CLIENT_USERNAME=sensu\n');
    expect(await refusal()).toContain('user name is empty');
  });

  it('ends on a copy whose keys have lost their leases, as 6.7.5 does', async () => {
    await fill();
    await dropLeases();
    await pointAt(etcd.endpoints);
    expect(await refusal()).toContain('requested lease not found');
  });

  it('gives up dialling', async () => {
    const [port] = await freePorts(1);
    await pointAt([`http://127.0.0.1:${port!}`]);
    expect(await refusal()).toContain('error executing sensu-backend');
  });

  it('comes up with both grants, and answers as was recorded', async () => {
    await fill();
    const apiKey = await anyApiKey();
    await allow(guide, rootKey);
    await pointAt(etcd.endpoints, { password });
    const api = await up(apiKey);
    expect(JSON.stringify(await api.clusterId())).toBe(await recorded('cluster_id'));
    const ask = async (path: string, authorization = `Key ${apiKey}`): Promise<string> => {
      const response = await fetch(staged.apiUrl + path, { headers: { authorization } });
      return (await response.text()).trim();
    };
    for (const name of ['users', 'namespaces']) {
      expect(JSON.parse(await ask(`/api/core/v2/${name}`))).toEqual(JSON.parse(await recorded(name)));
    }
    expect(await ask('/api/core/v2/cluster/id', 'Key 00000000-0000-0000-0000-000000000000')).toBe(
      await recorded('unauthorized'),
    );
    expect(await ask('/auth/test', 'Basic YTpi')).toBe(await recorded('auth_wrong'));
    expect(await api.isReady()).toBe(true);
  });

  it('lets in who has a password and is not disabled', async () => {
    await fill();
    await pointAt(etcd.endpoints);
    const api = await up();
    expect(await api.authenticates('alice', 'AlicePass1')).toBe(true);
    expect(await api.authenticates('alice', 'BobPass123')).toBe(false);
    expect(await api.authenticates('carol', 'CarolPass1')).toBe(false);
    expect(await api.authenticates('nobody', '')).toBe(false);
  });

  it('shows every member as unhealthy under password auth, though it works: the trap of /health', async () => {
    await fill();
    await allow(guide, rootKey);
    await pointAt(etcd.endpoints, { password });
    const health = await (await up()).health();
    expect(health.members).toMatchObject([{ healthy: false, error: 'etcdserver: user name is empty' }]);
    expect(explainHealth(health)).toContain('This is no fault');
  });
});

describe('the double with its embedded etcd', () => {
  const isListening = async (): Promise<boolean> =>
    fetch(`${staged.clientUrl}/version`).then(
      () => true,
      () => false,
    );

  // The start command leaves it behind as a service manager does: a test run that was killed used to leave dozens.
  it('ends with the process that staged it, also one that was killed', async () => {
    const owner = spawn('sleep', ['600'], { stdio: 'ignore' });
    onTestFinished(() => void owner.kill('SIGKILL'));
    await writeFile(join(staged.directory, 'owner'), JSON.stringify(await identifyProcess(owner.pid!)));
    const { child, said } = start();
    await expect.poll(isListening, { timeout: 60_000, message: said() }).toBe(true);
    owner.kill('SIGKILL');
    if (child.exitCode === null) await once(child, 'exit', { signal: AbortSignal.timeout(60_000) });
    expect(await isListening()).toBe(false);
  });

  it('takes its etcd along when it is killed, as one process does', async () => {
    const { child, said } = start();
    await expect.poll(isListening, { timeout: 60_000, message: said() }).toBe(true);
    child.kill('SIGKILL');
    await expect.poll(isListening, { timeout: 60_000 }).toBe(false);
  });
});
