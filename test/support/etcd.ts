import { connect } from '../../src/etcd/connect.js';
import { onTestFinished, type TestContext } from 'vitest';
import { findEtcdBinaries, type EtcdBinaries } from '../../src/etcd/throwaway/binaries.js';
import type { CertificateAuthority } from '../../src/etcd/throwaway/certificates.js';
import { createAuthority } from '../../src/etcd/throwaway/certificates.js';
import type { EtcdClient } from '../../src/etcd/client.js';
import type { ConnectOptions, Credentials, TlsFiles } from '../../src/etcd/connect-options.js';
import {
  startThrowawayEtcd,
  type ThrowawayEtcd,
  type ThrowawayMember,
  type ThrowawayOptions,
} from '../../src/etcd/throwaway/throwaway.js';

const found = await findEtcdBinaries(process.env);

/**
 * A release of every line that Sensu's store may lie in, and of 3.5 both what Debian stable has and the newest. For
 * tests of what differs between them: the wire, the files, the limits and the rights.
 */
export const etcdVersions: readonly string[] = chooseVersions();

/** For all other tests: the 3.5 that Debian stable has, the line that Sensu itself embeds. */
export const etcdVersion = etcdVersions[1]!;

/** The newest line. */
export const newestEtcdVersion = etcdVersions.at(-1)!;

/** For tests of many steps whose single requests are proven on every line: what holds at both ends holds between. */
export const oldestAndNewestEtcd: readonly string[] = [etcdVersions[0]!, newestEtcdVersion];

function chooseVersions(): readonly string[] {
  const versions = found.map(({ version }) => version);
  const ofLine = (line: string): readonly string[] => versions.filter((version) => version.startsWith(line));
  const chosen = [
    ofLine('3.4.').at(-1),
    ofLine('3.5.').at(0),
    ofLine('3.5.').slice(1).at(-1),
    ofLine('3.6.').at(-1),
    ofLine('3.7.').at(-1),
  ].filter((version) => version !== undefined);
  // A test without its etcd fails: a skipped one would look like a passed one.
  if (chosen.length < 5) {
    throw new Error(
      'Tests need etcd 3.4, two releases of 3.5, 3.6 and 3.7, ' +
        `but there is ${versions.join(', ') || 'none'}: run 'npm run etcd'.`,
    );
  }
  return chosen;
}

/** The programs of a version out of `etcdVersions`. */
export function etcdBinaries(version: string): EtcdBinaries {
  const binaries = found.find((candidate) => candidate.version === version);
  if (binaries === undefined) throw new Error(`There is no etcd ${version} here.`);
  return binaries;
}

export interface EtcdOptions extends Omit<ThrowawayOptions, 'binaries' | 'tls'> {
  /** Default: the 3.5 of Debian stable. */
  readonly version?: string;
  /** `client-cert`: only clients with a certificate are let in. */
  readonly tls?: 'server' | 'client-cert';
  /** Bring an authority of your own to issue more certificates. */
  readonly authority?: CertificateAuthority;
  /** Names and addresses that the servers' certificate holds. */
  readonly serverHosts?: readonly string[];
  /** When the servers' certificate ends. */
  readonly serverNotAfter?: Date;
  /**
   * `test` ends etcd with the test that started it, as does the context of a concurrent test; `manual` leaves it
   * to `stop()`, as in `beforeAll`.
   */
  readonly until?: 'test' | 'manual' | Pick<TestContext, 'onTestFinished'>;
}

/** A running cluster on loopback ports, and how to reach it. */
export interface RunningEtcd {
  readonly version: string;
  readonly binaries: EtcdBinaries;
  readonly endpoint: string;
  readonly endpoints: readonly string[];
  readonly members: readonly ThrowawayMember[];
  /** Undefined without TLS. With `client-cert` it holds the certificate of a client whose CN is `client`. */
  readonly tls: TlsFiles | undefined;
  readonly authority: CertificateAuthority | undefined;
  /** Options for `connect`, with the endpoints and TLS of this cluster. */
  connectOptions(more?: Partial<ConnectOptions>): ConnectOptions;
  /** A client that is closed together with the cluster. */
  connect(more?: Partial<ConnectOptions>): Promise<EtcdClient>;
  stop(): Promise<void>;
}

/**
 * Starts a real etcd with data of its own. Within a test it ends with the test, failed or not; started in
 * `beforeAll`, pass `until: 'manual'` and stop it in `afterAll`.
 */
export async function startEtcd(options: EtcdOptions = {}): Promise<RunningEtcd> {
  const { version = etcdVersion, tls, until = 'manual', ...rest } = options;
  const authority = tls === undefined ? undefined : (options.authority ?? (await createAuthority('test CA')));
  const server = authority && (await issueServer(authority, options));
  const cluster = await startThrowawayEtcd({
    ...rest,
    binaries: etcdBinaries(version),
    ...(authority &&
      server && {
        tls: { ca: authority.ca, ...server, clientCertificates: tls === 'client-cert' },
      }),
    // The cheapest hash that etcd offers; the default takes 60 ms of both cores for each login.
    flags: ['--bcrypt-cost=4', ...(options.flags ?? [])],
  });
  const running = runningEtcd(cluster, authority, await clientFiles(authority, tls));
  if (until === 'test') onTestFinished(() => running.stop());
  else if (until !== 'manual') until.onTestFinished(() => running.stop());
  return running;
}

function issueServer(
  authority: CertificateAuthority,
  { serverHosts = ['127.0.0.1', 'localhost'], serverNotAfter }: EtcdOptions,
): ReturnType<CertificateAuthority['issueServer']> {
  if (serverNotAfter === undefined) return authority.issueServer(serverHosts);
  const notBefore = new Date(serverNotAfter.getTime() - 86_400_000);
  return authority.issueServer(serverHosts, { notBefore, notAfter: serverNotAfter });
}

async function clientFiles(
  authority: CertificateAuthority | undefined,
  tls: EtcdOptions['tls'],
): Promise<TlsFiles | undefined> {
  if (authority === undefined) return undefined;
  if (tls === 'server') return { ca: authority.ca };
  return { ca: authority.ca, ...(await authority.issueClient('client')) };
}

function runningEtcd(
  cluster: ThrowawayEtcd,
  authority: CertificateAuthority | undefined,
  tls: TlsFiles | undefined,
): RunningEtcd {
  const clients: EtcdClient[] = [];
  const { version, binaries, endpoint, endpoints, members } = cluster;
  const connectOptions = (more: Partial<ConnectOptions> = {}): ConnectOptions => ({
    endpoints,
    ...(tls && { tls }),
    ...more,
  });
  return {
    ...{ version, binaries, endpoint, endpoints, members, tls, authority, connectOptions },
    connect: async (more) => {
      const client = await connect(connectOptions(more));
      clients.push(client);
      return client;
    },
    stop: async () => {
      await Promise.allSettled(clients.map((client) => client.close()));
      await cluster.stop();
    },
  };
}

/** Creates root and turns auth on, and returns root's credentials. */
export async function enableAuth(etcd: RunningEtcd, password = 'root-password'): Promise<Credentials> {
  const client = await etcd.connect();
  await client.auth.addRole('root');
  await client.auth.addUser('root', password);
  await client.auth.grantRole('root', 'root');
  await client.auth.enable();
  return { username: 'root', password };
}
