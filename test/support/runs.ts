const share = Number(process.env['FERRY_RUNS'] ?? 1);
if (!(share > 0 && share <= 1))
  throw new Error('FERRY_RUNS is a share of the cases: more than 0, at most 1.');

/** How many cases a property is tried on: all of them, or in the inner loop the share that FERRY_RUNS names. */
export function runs(all: number): number {
  return Math.ceil(all * share);
}

/** Whether every case runs: the inner loop leaves out the longest, and cannot expect that all kinds of end were met. */
export const allRun = share === 1;
