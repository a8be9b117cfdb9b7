import { expect, test } from 'vitest';
import { etcdBinaries, etcdVersions } from '../support/etcd.js';
import { killRun, type KillOutcome, type KillPlan } from './kill-run.js';

/** `npm run test:fault` asks for more; it says the seed of each run. */
const runs = Number(process.env['FAULT_RUNS'] ?? 3);
/** Each line, its newest release; 3.5 and later first, as `npm test` tries the first three only. */
const releases = [...etcdVersions.slice(2), etcdVersions[0]!].map(etcdBinaries);

/** The first of them are what `npm test` tries. */
const kinds = [
  { members: 3, restored: false },
  { members: 1, restored: true },
  { members: 3, restored: true },
  { members: 5, restored: false },
  { members: 1, restored: false },
  { members: 5, restored: true },
];

/** mulberry32: small, and the same on every machine. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function planOf(run: number): Omit<KillPlan, 'random'> {
  const round = Math.floor(run / kinds.length);
  return { ...kinds[run % kinds.length]!, binaries: releases[(run + round) % releases.length]! };
}

test(
  `members that were killed hold, read at rest, what they hold when they are started again: ${runs} kills`,
  async () => {
    const table = new Map<string, KillOutcome[]>();
    for (let run = 0; run < runs; run++) {
      const seed = Math.floor(Math.random() * 2 ** 32);
      const plan = planOf(run);
      const outcome = await killRun({ ...plan, random: randomFrom(seed) });
      const name = `etcd ${plan.binaries.version}, voters: ${plan.members}${plan.restored ? ', restored' : ''}`;
      table.set(name, [...(table.get(name) ?? []), outcome]);
      if (runs > 3) console.log(`${run + 1}: ${name}, seed ${seed}: ${JSON.stringify(outcome)}`);
      expect.soft(outcome, `${name}, seed ${seed}`).toMatchObject({
        ...{ lost: 0, invented: 0, equal: true, certain: true },
        prefix: plan.members === 1 ? undefined : true,
      });
    }
    console.log(tableOf(table));
  },
  runs * 120_000,
);

function tableOf(table: ReadonlyMap<string, readonly KillOutcome[]>): string {
  const head = ['', 'runs', 'acknowledged', 'lost', 'invented', 'equal', 'left out in', 'minority a prefix'];
  const groups = [...table].sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = groups.map(([name, outcomes]) => rowOf(name, outcomes));
  const all = [head, ...rows, rowOf('all', [...table.values()].flat())];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')).join('\n');
}

function rowOf(name: string, outcomes: readonly KillOutcome[]): readonly string[] {
  const sum = (of: (outcome: KillOutcome) => number): string =>
    String(outcomes.reduce((total, outcome) => total + of(outcome), 0));
  return [
    ...[name, String(outcomes.length), sum(({ acknowledged }) => acknowledged)],
    ...[sum(({ lost }) => lost), sum(({ invented }) => invented), sum(({ equal }) => Number(equal))],
    sum(({ leftOut }) => Number(leftOut > 0)),
    `${sum(({ prefix }) => Number(prefix === true))} of ${sum(({ prefix }) => Number(prefix !== undefined))}`,
  ];
}
