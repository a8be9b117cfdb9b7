import http from 'node:http';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { formatJson } from '../../../src/sensu/api/json.js';
import { connectApi, type ApiConnection } from '../../../src/sensu/api/connection.js';
import { classifyKey } from '../../../src/sensu/keys/key-space.js';
import { withSecrets } from '../../../src/sensu/resources/secrets.js';
import { textAt, type ApiResource } from '../../../src/sensu/resources/api-value.js';
import { sensuRoot } from '../../../src/store/sensu-root.js';
import { serveDouble, type ServedDouble } from '../../support/served-double.js';
import { storedResources } from '../../sensu/resources/recorded.js';

/** Of the recorded store that targets are made of. */
export const adminKey = '3ab2ee1c-0d2b-4c0d-9d6e-9a4f6e1f7b11';
export const erinsKey = 'e40b0d76-63b4-47c7-b731-2d7784e390a1';

/**
 * The double of a fresh Sensu: what `sensu-backend init` leaves, and the administrator's API key.
 */
export async function freshTarget(): Promise<ServedDouble> {
  const double = await serveDouble('kitchen-sink-6.12.0');
  const { client } = double;
  const { entries } = await client.range(sensuRoot);
  for (const { key } of entries) {
    if (!isOfInit(key)) await client.txn({ writes: [{ type: 'delete', key }] });
  }
  return double;
}

function isOfInit(key: Buffer): boolean {
  const { group, namespace, name } = classifyKey(key);
  if (group === '/sensu.io/users/') return name === 'admin' || name === 'agent';
  if (group === '/sensu.io/apikeys/') return name === adminKey;
  if (group.startsWith('/sensu.io/rbac/cluster')) return !name!.startsWith('kitchen');
  if (['/sensu.io/namespaces/', '/sensu.io/rbac/roles/', '/sensu.io/rbac/rolebindings/'].includes(group)) {
    return namespace === 'default' || namespace === 'sensu-system';
  }
  return namespace === undefined && group !== '/sensu.io/tessen';
}

export function connectTo(url: string, apiKey = adminKey, signal?: AbortSignal): ApiConnection {
  return connectApi({ url, login: { apiKey }, waitsMs: [10], timeoutMs: 3000, ...(signal && { signal }) });
}

/** A dump of a recorded store as `dump --with-secrets` writes it, of the resources that are wanted. */
export async function dumpOf(
  store: string,
  folder: string,
  wanted: (resource: ApiResource) => boolean = () => true,
): Promise<string> {
  const path = join(folder, `${store}.json`);
  const resources = storedResources(store).map(({ resource }) => withSecrets(resource));
  await writeFile(path, resources.filter(wanted).map(documentOf).join('\n'), { mode: 0o600 });
  return path;
}

export function documentOf({ type, apiVersion, metadata, spec }: ApiResource): string {
  return formatJson({ type, api_version: apiVersion, metadata, spec });
}

export const nameOf = ({ type, metadata }: ApiResource): string =>
  [type, textAt(metadata, 'namespace'), textAt(metadata, 'name')].filter((part) => part !== '').join(' ');

/** What a server in between does with a request instead of passing it on; undefined to pass it on. */
export type Disturbance = (request: http.IncomingMessage, response: http.ServerResponse) => boolean;

/** Stands in front of the API, and spoils some of its answers. */
export async function disturbed(
  target: string,
  disturb: Disturbance,
): Promise<{ readonly url: string; close(): void }> {
  const server = http.createServer((request, response) => {
    if (disturb(request, response)) return;
    const passed = http.request(
      new URL(request.url!, target),
      { method: request.method!, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      },
    );
    passed.on('error', () => response.destroy());
    request.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
