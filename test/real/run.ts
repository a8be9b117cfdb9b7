import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from './processes.js';
import { parseOptions, type SuiteOptions } from './options.js';
import type { Outcome, Scenario } from './scenario.js';
import { scenarios } from './scenarios.js';
import { printTables } from './tables.js';

/**
 * This program against a real Sensu: `npm run test:real -- --sensu-bin DIR`. It is not part of `npm test`, since no
 * registry has Sensu's programs. Everything listens on 127.0.0.1 and ends with the suite.
 */
const options = await parseOptions(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
});
const folder = options.keep ?? (await mkdtemp(join(tmpdir(), 'sensu-ferry-real-')));
// Backends and members are ended on the way out.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
try {
  process.exitCode = await runAll(options, folder);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
} finally {
  if (options.keep === undefined) await rm(folder, { recursive: true, force: true });
}

async function runAll(suite: SuiteOptions, root: string): Promise<number> {
  const version = (await mustRun(suite.sensu.backend, ['version'])).stdout.split(',')[0]!;
  const etcd = suite.etcd.map((binaries) => binaries.version).join(' and ');
  console.log(`${version}, external etcd ${etcd}, each migrated backend watched for ${suite.minutes} min.\n`);
  const chosen = chooseScenarios(suite);
  const results: { scenario: Scenario; outcome: Outcome }[] = [];
  for (const scenario of chosen) {
    const outcome = await runOne(scenario, suite, join(root, scenario.name));
    results.push({ scenario, outcome });
    console.log(`${outcome.faults.length === 0 ? 'ok    ' : 'FAILED'} ${scenario.name}`);
    for (const fault of outcome.faults) console.log(`       ${fault}`);
  }
  printTables(results);
  const failed = results.filter(({ outcome }) => outcome.faults.length > 0).length;
  console.log(`\n${results.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** By the whole name, or all whose names begin so. */
function chooseScenarios(suite: SuiteOptions): readonly Scenario[] {
  const all = scenarios(suite);
  if (suite.only.length === 0) return all;
  return suite.only.flatMap((wanted) => {
    const named = all.filter(({ name }) => name === wanted);
    const chosen = named.length > 0 ? named : all.filter(({ name }) => name.startsWith(wanted));
    if (chosen.length > 0) return chosen;
    throw new Error(
      `No scenario is named ${wanted}. There are:\n  ${all.map(({ name }) => name).join('\n  ')}`,
    );
  });
}

/** What goes wrong in a scenario is one of its faults; the others run all the same. */
async function runOne(scenario: Scenario, suite: SuiteOptions, own: string): Promise<Outcome> {
  await mkdir(own, { recursive: true, mode: 0o700 });
  try {
    return await scenario.run(suite, own);
  } catch (error) {
    return { cells: {}, faults: [error instanceof Error ? error.message : String(error)] };
  }
}
