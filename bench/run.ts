import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startThrowawayEtcd } from '../src/etcd/throwaway/throwaway.js';
import { benchCold } from './cold.js';
import { benchDowntime } from './downtimes.js';
import { benchDumps } from './dumps.js';
import { benchRestore } from './restores.js';
import { benchBinaries, ferry, fill } from './setup.js';
import { benchSizes } from './sizes.js';
import { benchSnapshots } from './snapshots.js';
import { syntheticStore } from './synthetic-store.js';
import { printTable, seconds, type Row } from './table.js';
import { inTurns, median, run } from './timing.js';

/** This program beside its peers on the same work, in one run. `BENCH_KEYS` sets the size of the store. */
const keys = Number(process.env['BENCH_KEYS'] ?? 150_000);
const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-bench-'));
try {
  const binaries = await benchBinaries();
  console.log(`A generated store of ${keys.toLocaleString('en-US')} keys, etcd ${binaries.version}.\n`);
  const rows = await benchStore(binaries);
  rows.push(...(await benchDumps(binaries, folder)));
  rows.push(...(await benchDowntime([10_000, keys], binaries, folder)), await benchStartUp());
  console.log('Medians of wall time, and the largest peak of memory.\n');
  printTable(rows);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function benchStore(binaries: Awaited<ReturnType<typeof benchBinaries>>): Promise<Row[]> {
  const source = await startThrowawayEtcd({ binaries });
  try {
    await fill({ endpoints: source.endpoints }, syntheticStore(keys));
    const rows = await benchSnapshots(source.endpoint, binaries, folder);
    await run(ferry('snapshot', 'save', '--endpoints', source.endpoint, '--to', folder));
    const archive = (await readdir(folder)).find((name) => name.endsWith('.sferry'))!;
    rows.push(...(await benchSizes(join(folder, archive), join(folder, 'peer.db'))));
    rows.push(...(await benchRestore(source, join(folder, archive), binaries, folder)));
    return [...rows, ...(await benchCold(source, folder))];
  } finally {
    await source.stop();
  }
}

async function benchStartUp(): Promise<Row> {
  const runs = await inTurns(
    9,
    () => run(ferry('--help')),
    () => run({ program: process.execPath, args: ['-e', '0'] }),
  );
  const ours = median(runs.ours.map((one) => one.seconds));
  const peer = median(runs.peer.map((one) => one.seconds));
  const ratio = (ours / peer).toFixed(2);
  return { what: '--help / node -e 0', ours: seconds(ours), peer: seconds(peer), ratio, wanted: '< 0.15 s' };
}
