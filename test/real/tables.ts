import type { Outcome, Scenario } from './scenario.js';

interface Result {
  readonly scenario: Scenario;
  readonly outcome: Outcome;
}

/** Prints a Markdown table for each kind of scenario. */
export function printTables(results: readonly Result[]): void {
  for (const title of new Set(results.map(({ scenario }) => scenario.table))) {
    const rows = results.filter(({ scenario }) => scenario.table === title);
    const columns = [...new Set(rows.flatMap(({ outcome }) => Object.keys(outcome.cells)))];
    const lines = [
      ['scenario', ...columns, 'verdict'],
      ['scenario', ...columns, 'verdict'].map(() => '---'),
      ...rows.map(({ scenario, outcome }) => [
        scenario.name,
        ...columns.map((column) => outcome.cells[column] ?? ''),
        outcome.faults.length === 0 ? 'ok' : 'FAILED',
      ]),
    ];
    console.log(`\n${title}\n`);
    for (const cells of lines) console.log(`| ${cells.join(' | ')} |`);
  }
}
