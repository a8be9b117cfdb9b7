import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import type { EtcdBinaries } from '../../src/etcd/throwaway/binaries.js';
import { EtcdProcess } from '../../src/etcd/throwaway/etcd-process.js';
import { freePorts } from '../../src/etcd/throwaway/free-ports.js';

interface Member {
  readonly name: string;
  readonly endpoint: string;
  readonly peerUrl: string;
  readonly dataDir: string;
}

const startTimeoutMs = 60_000;

/**
 * A cluster of real members that write to the disk as in earnest, to be killed and started again in any order. With a
 * snapshot, each member is restored from it first, as etcdutl does it, or etcdctl 3.4.
 */
export class KilledCluster {
  readonly members: readonly Member[];
  readonly #binaries: EtcdBinaries;
  readonly #folder: string;
  readonly #processes = new Map<Member, EtcdProcess>();

  private constructor(binaries: EtcdBinaries, folder: string, members: readonly Member[]) {
    this.#binaries = binaries;
    this.#folder = folder;
    this.members = members;
  }

  static async start(binaries: EtcdBinaries, count: number, snapshot?: string): Promise<KilledCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'killed-cluster-'));
    const ports = await freePorts(2 * count);
    const members = Array.from({ length: count }, (_, i) => ({
      name: `m${i + 1}`,
      endpoint: `http://127.0.0.1:${ports[2 * i]!}`,
      peerUrl: `http://127.0.0.1:${ports[2 * i + 1]!}`,
      dataDir: join(folder, `m${i + 1}`),
    }));
    const cluster = new KilledCluster(binaries, folder, members);
    if (snapshot !== undefined) for (const member of members) cluster.#restore(member, snapshot);
    try {
      await cluster.startAgain(members);
    } catch (error) {
      await cluster.end();
      throw error;
    }
    return cluster;
  }

  get #initialCluster(): string {
    return this.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
  }

  #restore({ name, peerUrl, dataDir }: Member, snapshot: string): void {
    const flags = [`--data-dir=${dataDir}`, `--name=${name}`, `--initial-advertise-peer-urls=${peerUrl}`];
    flags.push(`--initial-cluster=${this.#initialCluster}`);
    const { etcdctl, etcdutl = etcdctl } = this.#binaries;
    const env = { ETCDCTL_API: '3' };
    execFileSync(etcdutl, ['snapshot', 'restore', snapshot, ...flags], { env, stdio: 'pipe' });
  }

  /** Starts members that do not run, and waits until they serve. */
  async startAgain(members: readonly Member[]): Promise<void> {
    for (const member of members) {
      this.#processes.set(member, await EtcdProcess.start(this.#binaries.etcd, this.#flags(member)));
    }
    for (const member of members) {
      const process = this.#processes.get(member)!;
      if (await process.waitUntilReady(startTimeoutMs)) continue;
      throw new Error(`${member.name} did not serve: ${process.lastWords}`);
    }
  }

  #flags({ name, endpoint, peerUrl, dataDir }: Member): readonly string[] {
    return [
      ...[`--name=${name}`, `--data-dir=${dataDir}`],
      ...[`--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`],
      ...[`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`],
      ...[`--initial-cluster=${this.#initialCluster}`, '--initial-cluster-state=new'],
      ...['--heartbeat-interval=50', '--election-timeout=500'],
    ];
  }

  /** A client of one member alone. */
  client({ endpoint }: Member): Etcd3 {
    return new Etcd3({
      hosts: endpoint,
      grpcOptions: { 'grpc.max_receive_message_length': -1 },
      defaultCallOptions: () => ({ deadline: Date.now() + 15_000 }),
    });
  }

  async leader(): Promise<Member> {
    for (let attempt = 0; attempt < 100; attempt++) {
      for (const member of this.members) {
        const client = this.client(member);
        try {
          const { header, leader } = await client.maintenance.status();
          if (header.member_id === leader) return member;
        } finally {
          client.close();
        }
      }
    }
    throw new Error('No member leads.');
  }

  kill(member: Member): Promise<void> {
    return this.#processes.get(member)!.end('SIGKILL');
  }

  /** Kills what runs, and deletes the members' directories. */
  async end(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.end('SIGKILL')));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export type { Member };
