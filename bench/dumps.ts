import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startThrowawayEtcd } from '../src/etcd/throwaway/throwaway.js';
import type { EtcdBinaries } from '../src/etcd/throwaway/binaries.js';
import { inventoryStore } from './inventory-store.js';
import { ferry, fill } from './setup.js';
import { mebibytes, seconds, type Row } from './table.js';
import { median, run, type Run } from './timing.js';

const entities = 66_000;
const events = 64_000;
const rounds = 3;

/**
 * sensuctl needs a backend, which does not run here. Its time is the one that was measured on such a machine: 25 s for
 * 22,000 entities (24 MB of YAML), so the ratio is one of resources a second.
 */
const recordedPeer = { seconds: 25, resources: 22_000 };

/** `dump` of a snapshot with many entities and events. */
export async function benchDumps(binaries: EtcdBinaries, folder: string): Promise<Row[]> {
  const snapshot = await storeSnapshot(binaries, join(folder, 'inventory'));
  const dump = ferry('dump', '--from', snapshot, '--accept-loss', '--quiet');
  const toFile = ferry('dump', '--from', snapshot, '--accept-loss', '--quiet', '--overwrite', '--output');
  const runs: Run[] = [];
  const firstBytes: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    runs.push(await run({ ...toFile, args: [...toFile.args, join(folder, 'inventory.yml')] }));
    firstBytes.push(await secondsToFirstByte(dump.program, dump.args));
  }
  const ours = median(runs.map((one) => one.seconds));
  const perSecond = (entities + events) / ours / (recordedPeer.resources / recordedPeer.seconds);
  return [
    {
      what: `dump of ${entities} entities, ${events} events / sensuctl dump (recorded)`,
      ours: `${seconds(ours)}, ${mebibytes(Math.max(...runs.map(({ peakMiB }) => peakMiB)))}`,
      peer: '25 s for 22,000 entities',
      ratio: perSecond.toFixed(1),
      wanted: '>= 10 (resources a second), < 300 MiB',
    },
    { what: 'its first byte', ours: seconds(median(firstBytes)), peer: '-', ratio: '-', wanted: '< 1 s' },
  ];
}

async function storeSnapshot(binaries: EtcdBinaries, folder: string): Promise<string> {
  await mkdir(folder);
  const etcd = await startThrowawayEtcd({ binaries });
  try {
    await fill({ endpoints: etcd.endpoints }, inventoryStore(entities, events));
    await run(
      ferry('snapshot', 'save', '--endpoints', etcd.endpoint, '--to', folder, '--format', 'etcd', '--quiet'),
    );
  } finally {
    await etcd.stop();
  }
  return join(
    folder,
    (await readdir(folder)).find((name) => name.endsWith('.db'))!,
  );
}

async function secondsToFirstByte(program: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const taken = (performance.now() - startedAt) / 1000;
  child.kill();
  await once(child, 'close');
  return taken;
}
