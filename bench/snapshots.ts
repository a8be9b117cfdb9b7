import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EtcdBinaries } from '../src/etcd/throwaway/binaries.js';
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
  rows.push(compare('snapshot inspect / etcdutl snapshot status', inspect, '-'));
  return [...rows, ...(await benchVerify(peerFile, binaries.etcdutl))];
}

/** etcd's look at the pages, and its hash of the key space: together less than what verify looks at. */
async function benchVerify(file: string, etcdutl: string): Promise<Row[]> {
  const beside = (...args: readonly string[]): Promise<{ ours: readonly Run[]; peer: readonly Run[] }> =>
    inTurns(
      rounds,
      () => run(ferry('snapshot', 'verify', file)),
      () => run({ program: etcdutl, args: [...args, file] }),
    );
  const status = compare(
    'snapshot verify / etcdutl snapshot status',
    await beside('snapshot', 'status'),
    '-',
  );
  const what = 'snapshot verify / etcdutl hashkv';
  const hasHashkv = (await run({ program: etcdutl, args: ['help'] })).stdout.includes('  hashkv ');
  if (hasHashkv) return [status, compare(what, await beside('hashkv'), '-')];
  return [status, { ...status, what, peer: 'not in this etcdutl', ratio: '-' }];
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
