import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EtcdBinaries } from '../src/etcd/throwaway/binaries.js';
import { startThrowawayEtcd } from '../src/etcd/throwaway/throwaway.js';
import { stageConfiguration } from '../src/demo/stage.js';
import { startWriter } from '../src/demo/writer.js';
import { createApiClient } from '../src/sensu/api/client.js';
import { createServiceControl } from '../src/host/service-control.js';
import { ferry, fill, quiet } from './setup.js';
import { syntheticStore } from './synthetic-store.js';
import { mebibytes, seconds, type Row } from './table.js';
import { run } from './timing.js';

/** How long a backend is away while it is migrated, with a writer at work, for stores of several sizes. */
export async function benchDowntime(
  sizes: readonly number[],
  binaries: EtcdBinaries,
  folder: string,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const keys of sizes) {
    const { downtime, peakMiB } = await migrate(keys, binaries, join(folder, `downtime-${keys}`));
    rows.push({
      what: `downtime of a migration, ${keys.toLocaleString('en-US')} keys`,
      ours: `${seconds(downtime)}, ${mebibytes(peakMiB)}`,
      peer: '-',
      ratio: '-',
      wanted: 'one read of the store beyond the restart',
    });
  }
  return rows;
}

interface Migrated {
  readonly downtime: number;
  readonly peakMiB: number;
}

async function migrate(keys: number, binaries: EtcdBinaries, folder: string): Promise<Migrated> {
  const state = join(folder, 'state');
  await mkdir(join(state, 'etcd'), { recursive: true, mode: 0o700 });
  await fillStateDirectory(state, binaries, keys);
  const staged = await stageConfiguration(folder, state, binaries);
  const service = createServiceControl(quiet, staged);
  const target = await startThrowawayEtcd({ binaries, members: 3 });
  await service.start();
  try {
    await untilAnswering(staged.apiUrl);
    const writer = await startWriter([staged.clientUrl]);
    const passwords = join(folder, 'password');
    await writeFile(passwords, 'bench-password', { mode: 0o600 });
    const result = await run(
      ferry(
        ...['migrate', 'embedded-to-external', '--backend-config', staged.backendConfig],
        ...['--env-file', staged.envFile, '--endpoints', target.endpoints.join(',')],
        ...['--root-password-file', passwords, '--sensu-password-file', passwords, '--enable-auth'],
        ...['--stop-command', staged.stopCommand, '--start-command', staged.startCommand],
        ...['--api-url', staged.apiUrl, '--run-dir', join(folder, 'run'), '--watch', '0', '--yes', '--json'],
      ),
    );
    await writer.stop();
    const report = JSON.parse(result.stdout) as { facts: { start: { downtimeMilliseconds: number } } };
    return { downtime: report.facts.start.downtimeMilliseconds / 1000, peakMiB: result.peakMiB };
  } finally {
    await service.stop();
    await target.stop();
  }
}

async function fillStateDirectory(state: string, binaries: EtcdBinaries, keys: number): Promise<void> {
  const existing = { dataDir: join(state, 'etcd', 'data'), walDir: join(state, 'etcd', 'wal') };
  const etcd = await startThrowawayEtcd({ binaries, existing });
  await fill({ endpoints: etcd.endpoints }, syntheticStore(keys));
  await etcd.members[0]!.stop();
  await etcd.stop();
}

async function untilAnswering(apiUrl: string): Promise<void> {
  const api = createApiClient({ url: apiUrl });
  const giveUpAt = performance.now() + 60_000;
  for (;;) {
    try {
      await api.version();
      return;
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
    }
  }
}
