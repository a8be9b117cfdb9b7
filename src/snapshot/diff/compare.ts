import type { Context } from '../../core/context.js';
import { classifyKey, type KeyClass } from '../../sensu/keys/key-space.js';
import { ttlByLease } from '../../store/digest.js';
import { mergeByKey } from '../../store/merge-by-key.js';
import type { KeyRange, LeaseId, StoreEntry, StoreView } from '../../store/view.js';

/** A key that two stores do not have alike. At least one side is there. */
export interface KeyChange {
  readonly key: Buffer;
  readonly class: KeyClass;
  readonly change: 'added' | 'removed' | 'changed';
  /** It comes and goes by itself: it has a lease on either side, or Sensu makes such keys anew. */
  readonly ephemeral: boolean;
  readonly left: Buffer | undefined;
  readonly right: Buffer | undefined;
}

/**
 * Walks two stores side by side in key order, and holds no more than a batch of each. A key is changed when its
 * value is another one, or when it is bound to a lease on one side alone; leases are called otherwise in every store.
 */
export async function* compareStores(
  left: StoreView,
  right: StoreView,
  { signal, report }: Pick<Context, 'signal' | 'report'>,
  range?: KeyRange,
): AsyncGenerator<KeyChange> {
  const [leftTtls, rightTtls] = await Promise.all([ttlByLease(left), ttlByLease(right)]);
  let done = 0;
  for await (const pairs of mergeByKey(left.entries(range), right.entries(range))) {
    signal.throwIfAborted();
    done += pairs.length;
    report.progress({ task: 'Comparing', unit: 'keys', done });
    for (const pair of pairs) {
      const [a, b] = [isLeased(pair.left, leftTtls), isLeased(pair.right, rightTtls)];
      if (isSame(pair.left, pair.right) && a === b) continue;
      const kind = classifyKey(pair.key);
      yield {
        key: pair.key,
        class: kind,
        change: pair.left === undefined ? 'added' : pair.right === undefined ? 'removed' : 'changed',
        ephemeral: a || b || kind.kind === 'ephemeral',
        left: pair.left?.value,
        right: pair.right?.value,
      };
    }
  }
}

function isSame(left: StoreEntry | undefined, right: StoreEntry | undefined): boolean {
  return left !== undefined && right !== undefined && left.value.equals(right.value);
}

/** A lease that the store does not know never ends. */
function isLeased(entry: StoreEntry | undefined, ttls: ReadonlyMap<LeaseId, bigint>): boolean {
  return entry?.lease !== undefined && ttls.has(entry.lease);
}
