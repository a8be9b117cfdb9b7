import type { Context } from '../core/context.js';
import type { EtcdClient } from '../etcd/client.js';
import type { ConnectOptions } from '../etcd/connect-options.js';
import type { LeaseKeeper } from '../etcd/facets/leases.js';
import type { KeyListing } from '../copy/difference.js';
import { openStore, type OpenedStore } from '../snapshot/open/open.js';
import { carriedOf } from './configuration.js';
import type { RecordedSettings, Secrets } from './settings.js';

/** What lives as long as a run: connections, the opened snapshot, the leases that are held. */
export class RunResources {
  readonly #context: Context;
  readonly #settings: RecordedSettings;
  readonly #secrets: Secrets;
  #target: EtcdClient | undefined;
  #keeper: LeaseKeeper | undefined;
  #snapshot: { readonly opened: OpenedStore; readonly carried: KeyListing } | undefined;

  constructor(context: Context, settings: RecordedSettings, secrets: Secrets) {
    this.#context = context;
    this.#settings = settings;
    this.#secrets = secrets;
  }

  /** The target, as root where it has auth. */
  async target(): Promise<EtcdClient> {
    this.#target ??= await connectTarget(this.#context, this.#settings, this.#secrets);
    return this.#target;
  }

  /** Makes the next use connect anew: auth has been enabled. */
  async renewTarget(): Promise<void> {
    await this.#target?.close();
    this.#target = undefined;
  }

  /** Holds the leases that were granted on the target until the backend renews them itself. */
  async keeper(): Promise<LeaseKeeper> {
    this.#keeper ??= (await this.target()).keepLeases();
    return this.#keeper;
  }

  async releaseLeases(): Promise<void> {
    await this.#keeper?.close();
    this.#keeper = undefined;
  }

  /** What is carried of the safety snapshot, opened once: unpacking it in the downtime would cost downtime. */
  async snapshot(archive: string): Promise<KeyListing> {
    if (this.#snapshot === undefined) {
      const opened = await openStore(archive, this.#context);
      this.#snapshot = { opened, carried: carriedOf(this.#settings, opened) };
    }
    return this.#snapshot.carried;
  }

  /** Nothing is compared with it once the difference is carried, and its index is as large as memory allows. */
  releaseSnapshot(): void {
    this.#snapshot?.opened.close();
    this.#snapshot = undefined;
  }

  async close(): Promise<void> {
    await this.releaseLeases();
    this.releaseSnapshot();
    await this.#target?.close();
  }
}

/**
 * Connects as root when the target has auth, and without a name when it has none: etcd refuses a name while
 * auth is off.
 */
export async function connectTarget(
  context: Context,
  settings: RecordedSettings,
  secrets: Secrets,
): Promise<EtcdClient> {
  const { connect } = await import('../etcd/connect.js');
  const anonymous = targetOptions(context, settings, secrets);
  const client = await connect(anonymous);
  if (secrets.root === undefined || !(await client.auth.enabled())) return client;
  await client.close();
  return connect({ ...anonymous, credentials: secrets.root });
}

function targetOptions(context: Context, settings: RecordedSettings, secrets: Secrets): ConnectOptions {
  return { endpoints: settings.endpoints, tls: secrets.targetTls, signal: context.signal };
}

/** As the backend connects: with its own login where the target has auth. */
export async function backendOptions(
  context: Context,
  settings: RecordedSettings,
  secrets: Secrets,
  resources: RunResources,
): Promise<ConnectOptions> {
  const anonymous = targetOptions(context, settings, secrets);
  const hasAuth = await (await resources.target()).auth.enabled();
  return hasAuth && secrets.sensu ? { ...anonymous, credentials: secrets.sensu } : anonymous;
}
