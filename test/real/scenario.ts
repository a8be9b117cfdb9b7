import type { SuiteOptions } from './options.js';

/** What a scenario found: cells of the table, and what was not as it must be. */
export interface Outcome {
  readonly cells: Readonly<Record<string, string>>;
  /** Empty: all is well. */
  readonly faults: readonly string[];
}

export interface Scenario {
  readonly name: string;
  /** Scenarios with the same columns share a table. */
  readonly table: string;
  /** @param folder its own, empty, with mode 0700 */
  run(options: SuiteOptions, folder: string): Promise<Outcome>;
}
