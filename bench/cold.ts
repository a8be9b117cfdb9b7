import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ThrowawayEtcd } from '../src/etcd/throwaway/throwaway.js';
import { ferry } from './setup.js';
import { mebibytes, seconds, type Row } from './table.js';
import { inTurns, median, run } from './timing.js';

/**
 * A snapshot of a member that was killed, beside a copy of its folder that is on the disk. The copy takes free pages and
 * preallocated log along, is no snapshot yet, and nothing has looked into it.
 */
export async function benchCold(source: ThrowawayEtcd, folder: string): Promise<Row[]> {
  const member = source.members[0]!;
  await member.kill();
  const directory = dirname(member.dataDir);
  const own = join(folder, 'cold');
  const copy = join(folder, 'copy');
  const rows: Row[] = [];
  for (const format of ['sferry', 'etcd'] as const) {
    const runs = await inTurns(
      5,
      async () => {
        await rm(own, { recursive: true, force: true });
        await mkdir(own);
        return run(ferry('snapshot', 'save', '--data-dir', directory, '--to', own, '--format', format));
      },
      async () => {
        await rm(copy, { recursive: true, force: true });
        return run({ program: '/bin/sh', args: ['-c', copying, 'sh', directory, copy] });
      },
    );
    const ours = median(runs.ours.map((one) => one.seconds));
    const peer = median(runs.peer.map((one) => one.seconds));
    const peak = Math.max(...runs.ours.map(({ peakMiB }) => peakMiB));
    rows.push({
      what: `snapshot save --data-dir --format ${format} / cp -a, fsync`,
      ours: `${seconds(ours)}, ${mebibytes(peak)}`,
      peer: seconds(peer),
      ratio: (ours / peer).toFixed(2),
      wanted: '-, < 300 MiB',
    });
  }
  return rows;
}

const copying = 'cp -a "$1" "$2" && find "$2" -type f -exec sync {} +';
