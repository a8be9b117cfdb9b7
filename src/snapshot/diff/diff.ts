import type { Context } from '../../core/context.js';
import type { KeyRange, Revision, StoreView } from '../../store/view.js';
import { compareStores, type KeyChange } from './compare.js';
import { isChangeOfConfiguration } from './configuration-change.js';
import { sumOf, type ChangeCounts } from './counts.js';
import { describeKeyChange, type ResourceChange } from './resource-change.js';

/** How two stores differ. */
export interface StoreDiff {
  /** Whether the configuration alone was compared: see `isChangeOfConfiguration`. */
  readonly configOnly: boolean;
  readonly leftRevision: Revision;
  readonly rightRevision: Revision;
  /** Of keys that last. */
  readonly lasting: ChangeCounts;
  /** Of keys that come and go by themselves, and say nothing of whether two stores hold the same. */
  readonly ephemeral: ChangeCounts;
  /** In key order; no more than was asked for, so that two stores that have nothing in common fit the memory. */
  readonly changes: readonly ResourceChange[];
  readonly notListed: number;
}

export interface DiffOptions {
  /** How many changes to list of those that last, and of the others. */
  readonly limit: number;
  /** Default: every key. */
  readonly range?: KeyRange;
  /** Counts only what somebody has set up. */
  readonly configOnly?: boolean;
}

export async function diffStores(
  context: Context,
  left: StoreView,
  right: StoreView,
  { limit, range, configOnly = false }: DiffOptions,
): Promise<StoreDiff> {
  const gathered = new GatheredChanges(limit);
  const now = context.clock.now();
  for await (const change of compareStores(left, right, context, range)) {
    if (!configOnly || isChangeOfConfiguration(change, now)) gathered.add(change);
  }
  return { configOnly, leftRevision: left.revision, rightRevision: right.revision, ...gathered.finish() };
}

type MutableCounts = { -readonly [Name in keyof ChangeCounts]: number };

class GatheredChanges {
  readonly #limit: number;
  readonly #lasting: MutableCounts = { added: 0, removed: 0, changed: 0 };
  readonly #ephemeral: MutableCounts = { added: 0, removed: 0, changed: 0 };
  readonly #changes: ResourceChange[] = [];
  #notListed = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(change: KeyChange): void {
    const counts = change.ephemeral ? this.#ephemeral : this.#lasting;
    counts[change.change] += 1;
    if (sumOf(counts) <= this.#limit) this.#changes.push(describeKeyChange(change));
    else this.#notListed += 1;
  }

  finish(): Omit<StoreDiff, 'configOnly' | 'leftRevision' | 'rightRevision'> {
    return {
      lasting: this.#lasting,
      ephemeral: this.#ephemeral,
      changes: this.#changes,
      notListed: this.#notListed,
    };
  }
}
