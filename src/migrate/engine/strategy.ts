import type { Context } from '../../core/context.js';
import type { Facts, FactsOf, StepId } from '../facts.js';
import type { RunResources } from '../resources.js';
import type { RecordedSettings, Secrets } from '../settings.js';
import type { MigrationSource } from '../source.js';

/** What a step works with. Steps talk to each other through `facts` alone, so that any of them can be resumed after. */
export interface StepContext {
  readonly context: Context;
  readonly settings: RecordedSettings;
  readonly secrets: Secrets;
  readonly source: MigrationSource;
  readonly runDirectory: string;
  readonly facts: Partial<Facts>;
  readonly resources: RunResources;
  /** Name and version of this program. */
  readonly tool: string;
  /** True when this process did not do all earlier steps itself: nothing in memory can be relied on. */
  readonly resumed: boolean;
  /** True when an earlier process has started the backend, which has written to the target since. */
  readonly startedBefore: boolean;
  /** When an earlier process of this run asked the backend to stop; undefined when none did. */
  readonly awaySince: string | undefined;
  /** When the last watch of this run ended with faults; undefined when none did. */
  readonly watchFailedAt: string | undefined;
}

/** One journalled piece of the work. */
export interface Step<Id extends StepId = StepId> {
  readonly id: Id;
  /** For the plan and while it runs, such as `Take a safety snapshot`. */
  readonly title: string;
  /** What it changes, for the plan. */
  readonly changes: string;
  /** True when the backend is away while it runs. */
  readonly downtime: boolean;
  run(step: StepContext): Promise<FactsOf<Id>>;
  /** Puts things back as they were before the step, whether it failed half way or was done. */
  undo?(step: UndoContext): Promise<void>;
}

/** What is left to work with when a run is undone: no connection, and a signal that is not aborted. */
export type UndoContext = Pick<StepContext, 'context' | 'settings' | 'source' | 'runDirectory'>;

/** An ordered way from embedded to external. One that joins instead of copying would have other steps. */
export interface Strategy {
  readonly steps: readonly Step[];
  /** From this step on the backend has served the new store: it is not undone without being asked. */
  readonly pointOfNoReturn: StepId;
}
