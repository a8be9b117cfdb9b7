import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lookForProcess, type ProcessIdentity } from '../../host/process-identity.js';
import { openBackendCalls } from '../../etcd/transport/backend-calls.js';
import type { ConnectOptions } from '../../etcd/connect-options.js';
import { readTlsFiles } from '../../etcd/transport/tls-files.js';
import { readBackendConfig, type BackendConfig } from '../../sensu/backend/backend-config.js';
import { parseEnvironment } from '../../sensu/backend/environment-file.js';
import { serveApi, type ApiDouble } from './api.js';
import { startEmbeddedEtcd } from './embedded-etcd.js';
import { enterExternalStore, hasAuth, keepRegistered, standInForAgents } from './external-store.js';

/**
 * A double of sensu-backend: its configuration, its store and the little of its API that a migration asks for.
 * No Sensu server can be installed where this project is tested. `main.js DIR`; see control.ts for DIR.
 */
async function run(directory: string): Promise<void> {
  const environment = await readEnvironment(directory);
  const config = await readBackendConfig({
    backendYml: join(directory, 'backend.yml'),
    environment,
  });
  const stopping = new AbortController();
  await writeFile(join(directory, 'pid'), String(process.pid), { mode: 0o600 });
  const stop = (): void => {
    stopping.abort();
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  const owner = JSON.parse(await readFile(join(directory, 'owner'), 'utf8')) as ProcessIdentity;
  void ownerGone(owner, stopping.signal).then(stop);
  const store = config.get('no-embed-etcd').value
    ? await openExternal(config, environment, stopping.signal)
    : await openEmbedded(config, directory, stopping.signal);
  // The signal may have come while the store was being opened.
  if (stopping.signal.aborted) await store.stop();
  else stopping.signal.addEventListener('abort', () => void store.stop(), { once: true });
  const [host, port] = splitAddress(config.get('api-listen-address').value);
  const server = await serveApi(store.api, host, port);
  await store.ended;
  server.closeAllConnections();
  server.close();
  process.exit(0);
}

/** The double is of use to whoever staged it, and must not outlive that process, even one that was killed. */
async function ownerGone(owner: ProcessIdentity, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await lookForProcess(owner)) !== 'gone')
    await sleep(500, undefined, { ref: false });
}

interface OpenedStore {
  readonly api: ApiDouble;
  /** Resolves when the store is let go. */
  readonly ended: Promise<void>;
  readonly stop: () => Promise<void>;
}

async function openEmbedded(
  config: BackendConfig,
  directory: string,
  signal: AbortSignal,
): Promise<OpenedStore> {
  const binary = (await readFile(join(directory, 'etcd-binary'), 'utf8')).trim();
  const etcd = await startEmbeddedEtcd(binary, {
    stateDirectory: config.get('state-dir').value,
    name: config.get('etcd-name').value,
    clientUrls: config.get('etcd-listen-client-urls').value,
    peerUrls: config.get('etcd-listen-peer-urls').value,
    initialCluster: config.get('etcd-initial-cluster').value,
  });
  await keepRegistered(etcd.client, signal);
  const calls = openBackendCalls({ endpoints: etcd.client.endpoints });
  void standInForAgents(etcd.client, calls, signal);
  return { api: { client: etcd.client, mode: 'embedded', sensuVersion }, ended: etcd.ended, stop: etcd.stop };
}

async function openExternal(
  config: BackendConfig,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<OpenedStore> {
  const username = environment['SENSU_BACKEND_ETCD_CLIENT_USERNAME'] ?? '';
  const password = environment['SENSU_BACKEND_ETCD_CLIENT_PASSWORD'] ?? '';
  // The real one logs in only when both are there.
  const named = username !== '' && password !== '';
  const anonymous: ConnectOptions = {
    endpoints: config.clientEndpoints,
    tls: await readTlsFiles({
      cacert: config.get('etcd-trusted-ca-file').value || undefined,
      cert: config.get('etcd-cert-file').value || undefined,
      key: config.get('etcd-key-file').value || undefined,
    }),
  };
  // As seen of etcd's Go client: with auth off it goes on without a name, with which another client would be refused.
  const withPassword = named && (await hasAuth(anonymous));
  const options = { ...anonymous, ...(withPassword && { credentials: { username, password } }) };
  const client = await enterExternalStore(options);
  await keepRegistered(client, signal);
  const calls = openBackendCalls(options);
  void standInForAgents(client, calls, signal);
  let letGo: () => void;
  const ended = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const stop = async (): Promise<void> => {
    await client.close();
    letGo();
  };
  const mode = withPassword ? 'external-with-password' : 'external';
  return { api: { client, mode, sensuVersion }, ended, stop };
}

const sensuVersion = '6.12.0';

async function readEnvironment(directory: string): Promise<Record<string, string>> {
  const text = await readFile(join(directory, 'environment'), 'utf8').catch(() => '');
  return Object.fromEntries(parseEnvironment(text));
}

/** `[::]:8080` and `127.0.0.1:8080` alike. */
function splitAddress(address: string): [host: string, port: number] {
  const colon = address.lastIndexOf(':');
  return [address.slice(0, colon).replace(/^\[|\]$/g, ''), Number(address.slice(colon + 1))];
}

// grpc-js gives IP addresses as TLS server names, and Node would tell so in the log.
process.noDeprecation = true;

try {
  await run(process.argv[2]!);
} catch (error) {
  process.stderr.write(`${describe(error)}\n`);
  process.exit(1);
}

/** The real one prints what etcd said. */
function describe(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const words = cause instanceof Error && 'details' in cause ? String(cause.details) : undefined;
  return JSON.stringify({
    component: 'cmd',
    level: 'fatal',
    msg: 'error executing sensu-backend',
    error: words ?? (error instanceof Error ? error.message : String(error)),
  });
}
