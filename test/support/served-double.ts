import type http from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveApi, type ApiDouble } from '../../src/demo/backend-double/api.js';
import type { EtcdClient } from '../../src/etcd/client.js';
import { applyRestoreEtcd, planRestoreEtcd } from '../../src/restore/etcd/restore-etcd.js';
import { openStore } from '../../src/snapshot/open/open.js';
import { silentContext } from './silent-context.js';
import { snapshotOf } from '../restore/etcd/truth.js';
import { startEtcd } from './etcd.js';

/** The double's API in this process, on an etcd of its own with a recorded store in it. */
export interface ServedDouble {
  readonly url: string;
  readonly client: EtcdClient;
  stop(): Promise<void>;
}

export async function serveDouble(fixture: string): Promise<ServedDouble> {
  const etcd = await startEtcd();
  try {
    const client = await etcd.connect();
    await fill(client, fixture);
    const double: ApiDouble = { client, mode: 'external', sensuVersion: '6.12.0' };
    const server = await serveApi(double, '127.0.0.1', 0);
    const { port } = server.address() as AddressInfo;
    return {
      url: `http://127.0.0.1:${port}`,
      client,
      stop: () => stopServer(server).then(() => etcd.stop()),
    };
  } catch (error) {
    await etcd.stop();
    throw error;
  }
}

/** As `restore etcd` does it, leases and all. */
async function fill(client: EtcdClient, fixture: string): Promise<void> {
  const context = silentContext();
  const source = await openStore(snapshotOf(fixture), context);
  try {
    const { load } = await planRestoreEtcd(context, client, source, { tls: {} });
    await applyRestoreEtcd(context, client, source, load);
  } finally {
    source.close();
  }
}

async function stopServer(server: http.Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
