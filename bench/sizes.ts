import { stat } from 'node:fs/promises';
import type { Row } from './table.js';
import { run } from './timing.js';

const mebibyte = 1024 * 1024;

/** How much room an archive takes, beside the plain snapshot of the same store as usual programs compress it. */
export async function benchSizes(archive: string, snapshot: string): Promise<Row[]> {
  const { size } = await stat(archive);
  const rows: Row[] = [];
  for (const [program, ...options] of [
    ['gzip', '-1'],
    ['gzip', '-6'],
    ['zstd', '-3'],
  ] as const) {
    const what = `archive / ${program} ${options.join(' ')} of the snapshot`;
    const ours = inMebibytes(size);
    const packed = await packedSize(program, options, snapshot);
    if (packed === undefined) rows.push({ what, ours, peer: 'not here', ratio: '-', wanted: '-' });
    else rows.push({ what, ours, peer: inMebibytes(packed), ratio: (size / packed).toFixed(2), wanted: '-' });
  }
  return rows;
}

const inMebibytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB`;

/** Undefined on a machine that has no such program. */
async function packedSize(
  program: string,
  options: readonly string[],
  file: string,
): Promise<number | undefined> {
  const script = 'command -v "$0" > /dev/null || exit 0; "$0" "$@" | wc -c';
  const { stdout } = await run({ program: '/bin/sh', args: ['-c', script, program, ...options, '-c', file] });
  return stdout.trim() === '' ? undefined : Number(stdout);
}
