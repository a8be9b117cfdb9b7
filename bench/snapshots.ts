import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EtcdBinaries } from '../src/etcd/binaries.js';
import { ferry } from './setup.js';
import { mebibytes, seconds, type Row } from './table.js';
import { inTurns, median, run, type Run } from './timing.js';

const rounds = 5;

/** `snapshot save` and `inspect` beside etcd's own tools, on the store behind the endpoint. */
export async function benchSnapshots(
  endpoint: string,
  binaries: EtcdBinaries & { readonly etcdutl: string },
  folder: string,
): Promise<Row[]> {
  const peerFile = join(folder, 'peer.db');
  const etcdctl = (): Promise<Run> =>
    run({
      program: binaries.etcdctl,
      args: [`--endpoints=${endpoint}`, 'snapshot', 'save', peerFile],
      env: { ETCDCTL_API: '3' },
    });
  const rows: Row[] = [];
  for (const format of ['sferry', 'etcd'] as const) {
    const save = await inTurns(
      rounds,
      () => saveOnce(endpoint, folder, format),
      async () => {
        await rm(peerFile, { force: true });
        return etcdctl();
      },
    );
    rows.push(compare(`snapshot save --format ${format} / etcdctl snapshot save`, save, '<= 1.3'));
  }
  const inspect = await inTurns(
    rounds,
    () => run(ferry('snapshot', 'inspect', peerFile, '--json')),
    () => run({ program: binaries.etcdutl, args: ['snapshot', 'status', peerFile] }),
  );
  return [...rows, compare('snapshot inspect / etcdutl snapshot status', inspect, '-')];
}

async function saveOnce(endpoint: string, folder: string, format: string): Promise<Run> {
  const own = join(folder, 'own');
  await mkdir(own, { recursive: true });
  const result = await run(
    ferry('snapshot', 'save', '--endpoints', endpoint, '--to', own, '--format', format, '--json'),
  );
  for (const name of await readdir(own)) await rm(join(own, name));
  return result;
}

function compare(what: string, runs: { ours: readonly Run[]; peer: readonly Run[] }, wanted: string): Row {
  const ours = median(runs.ours.map((one) => one.seconds));
  const peer = median(runs.peer.map((one) => one.seconds));
  const peak = Math.max(...runs.ours.map(({ peakMiB }) => peakMiB));
  return {
    what,
    ours: `${seconds(ours)}, ${mebibytes(peak)}`,
    peer: seconds(peer),
    ratio: (ours / peer).toFixed(2),
    wanted: `${wanted}, < 200 MiB`,
  };
}
