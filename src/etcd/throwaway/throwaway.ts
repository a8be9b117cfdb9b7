import { randomBytes } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FerryError } from '../../core/errors.js';
import { compareVersions, type EtcdBinaries } from './binaries.js';
import { EtcdProcess } from './etcd-process.js';
import { freePorts } from './free-ports.js';
import { makeThrowawayFolder } from './folder.js';

/** PEM contents for the servers. */
export interface ServerTls {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Refuse clients and peers without a certificate of `ca`. */
  readonly clientCertificates?: boolean;
}

export interface ThrowawayOptions {
  readonly binaries: EtcdBinaries;
  readonly members?: 1 | 3;
  /** Where a folder is made for the members. Default: the system's for temporary files. */
  readonly parent?: string;
  readonly tls?: ServerTls;
  /** Start on these directories instead of empty ones; they are kept. One member only. */
  readonly existing?: { readonly dataDir: string; readonly walDir?: string };
  /** Makes the existing member the only one of its cluster, whatever members it knew. */
  readonly forceNewCluster?: boolean;
  /** Trade safety against a power cut for speed, where the version can (3.5 and newer). Default true. */
  readonly unsafe?: boolean;
  readonly quotaBytes?: number;
  /** More flags of etcd, such as `--auth-token=...`. */
  readonly flags?: readonly string[];
  readonly startTimeoutMs?: number;
}

/** What the flags of one member need to know. */
interface MemberPlan {
  readonly name: string;
  readonly endpoint: string;
  readonly peerUrl: string;
  readonly dataDir: string;
  readonly walDir: string | undefined;
}

/** One member of a throwaway cluster; it keeps its directories and ports over a restart. */
export class ThrowawayMember {
  readonly name: string;
  readonly endpoint: string;
  readonly peerUrl: string;
  readonly dataDir: string;
  readonly walDir: string | undefined;
  readonly #program: string;
  readonly #flags: readonly string[];
  readonly #startTimeoutMs: number;
  #process: EtcdProcess | undefined;

  constructor(program: string, plan: MemberPlan, flags: readonly string[], startTimeoutMs: number) {
    this.name = plan.name;
    this.endpoint = plan.endpoint;
    this.peerUrl = plan.peerUrl;
    this.dataDir = plan.dataDir;
    this.walDir = plan.walDir;
    this.#program = program;
    this.#flags = flags;
    this.#startTimeoutMs = startTimeoutMs;
  }

  /** Undefined while the member is not running. */
  get pid(): number | undefined {
    return this.#process?.isAlive() ? this.#process.pid : undefined;
  }

  get log(): string {
    return this.#process?.log ?? '';
  }

  /** Starts etcd and waits until it takes requests, for which more than half of the members must be up. */
  async start(): Promise<void> {
    await this.launch();
    await this.waitUntilReady();
  }

  /** Starts etcd without waiting for it: the members of a new cluster wait for one another. */
  async launch(extraFlags: readonly string[] = []): Promise<void> {
    this.#process = await EtcdProcess.start(this.#program, [...this.#flags, ...extraFlags]);
  }

  async waitUntilReady(): Promise<void> {
    if (await this.#process?.waitUntilReady(this.#startTimeoutMs)) return;
    const fate =
      this.pid === undefined
        ? 'ended before it served'
        : `did not serve within ${this.#startTimeoutMs / 1000} s`;
    throw new FerryError({
      kind: 'failed',
      code: 'THROWAWAY_ETCD_FAILED',
      message: `The throwaway etcd ${this.name} ${fate}.`,
      hint: `Its last words: ${this.#process?.lastWords ?? 'none'}`,
    });
  }

  /** Ends etcd as a service manager does: it closes its files in good order. */
  async stop(): Promise<void> {
    await this.#process?.end('SIGTERM');
  }

  /** Ends etcd as a power cut of that one process does. */
  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL');
  }

  suspend(): void {
    this.#process?.suspend();
  }

  resume(): void {
    this.#process?.resume();
  }
}

/** An etcd cluster on loopback ports that is meant to be thrown away. */
export class ThrowawayEtcd {
  readonly version: string;
  readonly members: readonly ThrowawayMember[];
  readonly endpoints: readonly string[];
  /** The first of them. */
  readonly endpoint: string;
  readonly binaries: EtcdBinaries;
  readonly #folder: string;

  constructor(binaries: EtcdBinaries, members: readonly ThrowawayMember[], folder: string) {
    this.binaries = binaries;
    this.version = binaries.version;
    this.members = members;
    this.endpoints = members.map(({ endpoint }) => endpoint);
    this.endpoint = this.endpoints[0]!;
    this.#folder = folder;
  }

  /** The member that serves the endpoint. */
  member(endpoint: string): ThrowawayMember {
    return this.members.find((member) => member.endpoint === endpoint)!;
  }

  /** Ends every member and deletes what was made for them; existing directories that were given are kept. */
  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Attempts at a start: between the choice of a free port and its use somebody else may take it. */
const attempts = 3;

/**
 * Starts a cluster of one or three members with data of their own, and waits until it takes requests.
 * @throws FerryError with the last lines of etcd's log
 */
export async function startThrowawayEtcd(options: ThrowawayOptions): Promise<ThrowawayEtcd> {
  for (let attempt = 1; ; attempt += 1) {
    const cluster = await prepare(options);
    try {
      await Promise.all(cluster.members.map((member) => member.launch()));
      await Promise.all(cluster.members.map((member) => member.waitUntilReady()));
      return cluster;
    } catch (error) {
      const portTaken = cluster.members.some(({ log }) => log.includes('address already in use'));
      await cluster.stop();
      if (!portTaken || attempt === attempts) throw error;
    }
  }
}

async function prepare(options: ThrowawayOptions): Promise<ThrowawayEtcd> {
  const folder = await makeThrowawayFolder(options.parent ?? tmpdir());
  const count = options.members ?? 1;
  const ports = await freePorts(2 * count);
  const scheme = options.tls === undefined ? 'http' : 'https';
  const peerScheme = options.tls?.clientCertificates ? 'https' : 'http';
  const tlsFlags = options.tls === undefined ? [] : await writeTls(folder, options.tls);
  const plans = Array.from({ length: count }, (_, index): MemberPlan => {
    const own = join(folder, `etcd-${index + 1}`);
    return {
      name: `etcd-${index + 1}`,
      endpoint: `${scheme}://127.0.0.1:${ports[2 * index]!}`,
      peerUrl: `${peerScheme}://127.0.0.1:${ports[2 * index + 1]!}`,
      dataDir: options.existing?.dataDir ?? join(own, 'data'),
      // The layout of Sensu's embedded etcd: data and wal side by side.
      walDir: options.existing === undefined ? join(own, 'wal') : options.existing.walDir,
    };
  });
  const common = [...clusterFlags(options, plans), ...tlsFlags, ...(options.flags ?? [])];
  const members = plans.map(
    (plan) =>
      new ThrowawayMember(
        options.binaries.etcd,
        plan,
        [...memberFlags(plan), ...common],
        options.startTimeoutMs ?? 30_000,
      ),
  );
  return new ThrowawayEtcd(options.binaries, members, folder);
}

function memberFlags(plan: MemberPlan): readonly string[] {
  return [
    `--name=${plan.name}`,
    `--data-dir=${plan.dataDir}`,
    ...(plan.walDir === undefined ? [] : [`--wal-dir=${plan.walDir}`]),
    `--listen-client-urls=${plan.endpoint}`,
    `--advertise-client-urls=${plan.endpoint}`,
    `--listen-peer-urls=${plan.peerUrl}`,
    `--initial-advertise-peer-urls=${plan.peerUrl}`,
  ];
}

function clusterFlags(options: ThrowawayOptions, plans: readonly MemberPlan[]): readonly string[] {
  const unsafe = options.unsafe ?? true;
  return [
    `--initial-cluster=${plans.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',')}`,
    // Two clusters with one token and the same members have one id, and would talk to each other.
    `--initial-cluster-token=throwaway-${randomBytes(8).toString('hex')}`,
    '--initial-cluster-state=new',
    // Machines that run throwaway clusters are busy; a heartbeat that comes late must not unseat the leader.
    ...(plans.length > 1 ? ['--heartbeat-interval=200', '--election-timeout=2000'] : []),
    ...(unsafe && compareVersions(options.binaries.version, '3.5.0') >= 0 ? ['--unsafe-no-fsync'] : []),
    ...(options.forceNewCluster ? ['--force-new-cluster'] : []),
    ...(options.quotaBytes === undefined ? [] : [`--quota-backend-bytes=${options.quotaBytes}`]),
  ];
}

async function writeTls(folder: string, tls: ServerTls): Promise<readonly string[]> {
  const own = join(folder, 'tls');
  await mkdir(own, { mode: 0o700 });
  const path = (name: string): string => join(own, name);
  await writeOwn(path('ca.pem'), tls.ca);
  await writeOwn(path('server.pem'), tls.cert);
  await writeOwn(path('server-key.pem'), tls.key);
  return [
    `--cert-file=${path('server.pem')}`,
    `--key-file=${path('server-key.pem')}`,
    // etcd asks every client for a certificate as soon as it is given a CA.
    ...(tls.clientCertificates
      ? [
          ...['--client-cert-auth', `--trusted-ca-file=${path('ca.pem')}`],
          ...[`--peer-cert-file=${path('server.pem')}`, `--peer-key-file=${path('server-key.pem')}`],
          ...['--peer-client-cert-auth', `--peer-trusted-ca-file=${path('ca.pem')}`],
        ]
      : []),
  ];
}

/** Readable by its owner only, from its first byte. */
async function writeOwn(path: string, content: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
}
