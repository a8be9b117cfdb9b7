import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { EtcdClient } from '../../etcd/client.js';
import { connect } from '../../etcd/connect.js';
import { killWithUs } from '../../etcd/throwaway/watchdog.js';
import { setTimeout as sleep } from 'node:timers/promises';

/** What backend.yml says of the embedded server. */
export interface EmbeddedSettings {
  readonly stateDirectory: string;
  readonly name: string;
  readonly clientUrls: readonly string[];
  readonly peerUrls: readonly string[];
  readonly initialCluster: string;
}

export interface EmbeddedEtcd {
  readonly client: EtcdClient;
  /** Resolves when the process has ended, by whomever. */
  readonly ended: Promise<void>;
  readonly stop: () => Promise<void>;
}

const startTimeoutMs = 90_000;

/** A real etcd on Sensu's own folders, with the settings that are compiled into sensu-backend. */
export async function startEmbeddedEtcd(binary: string, settings: EmbeddedSettings): Promise<EmbeddedEtcd> {
  const data = join(settings.stateDirectory, 'etcd', 'data');
  const wal = join(settings.stateDirectory, 'etcd', 'wal');
  for (const directory of [data, wal]) await mkdir(directory, { recursive: true, mode: 0o700 });
  const clientUrls = settings.clientUrls.join(',');
  const peerUrls = settings.peerUrls.join(',');
  const child = spawn(
    binary,
    [
      ['--name', settings.name],
      ['--data-dir', data],
      ['--wal-dir', wal],
      ['--listen-client-urls', clientUrls],
      ['--advertise-client-urls', clientUrls],
      ['--listen-peer-urls', peerUrls],
      ['--initial-advertise-peer-urls', peerUrls],
      ['--initial-cluster', settings.initialCluster],
      ['--auto-compaction-mode', 'revision'],
      ['--auto-compaction-retention', '2'],
      ['--quota-backend-bytes', String(4 * 1024 ** 3)],
      ['--heartbeat-interval', '300'],
      ['--election-timeout', '3000'],
    ].flat(),
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  // The real one is a part of its backend.
  const release = child.pid === undefined ? undefined : killWithUs(child.pid);
  const ended = once(child, 'exit').then(() => release?.());
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  try {
    return { client: await connectWithin(settings.clientUrls, ended), ended, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function connectWithin(urls: readonly string[], ended: Promise<void>): Promise<EtcdClient> {
  const exited = new AbortController();
  void ended.then(() => {
    exited.abort();
  });
  const giveUpAt = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      const client = await connect({ endpoints: urls, deadlineMs: 5000 });
      await client.range({ start: Buffer.from('health'), end: Buffer.from('health\0') });
      return client;
    } catch (error) {
      if (exited.signal.aborted || performance.now() > giveUpAt) throw error;
      await sleep(50);
    }
  }
}
