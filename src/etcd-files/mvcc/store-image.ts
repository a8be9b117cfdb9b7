import type { BboltFile, BucketRoot } from '../bbolt/bbolt.js';
import type { BucketToWrite } from '../write/bbolt-writer.js';
import { pairView } from '../write/bbolt-writer.js';
import { CorruptFileError } from '../corrupt.js';
import type { PairView } from '../write/page-builder.js';
import { elementFlags, keyEnd, keyStart, valueEnd } from '../bbolt/pages.js';

/** What becomes of one pair of a bucket. */
export interface PairChange {
  readonly key: Buffer;
  /** Undefined when the pair goes. */
  readonly value: Buffer | undefined;
}

/** By name of the bucket, each in byte order of the keys. */
export type BucketChanges = ReadonlyMap<string, readonly PairChange[]>;

/** The buckets of a file as they are to be written again: byte for byte, but for the changes. */
export function changedBuckets(db: BboltFile, changes: BucketChanges): BucketToWrite[] {
  const names = new Set(db.buckets.map(({ name }) => name.toString('latin1')));
  for (const [name, list] of changes) if (list.length > 0) names.add(name);
  return [...names].sort().map((latin1) => {
    const name = Buffer.from(latin1, 'latin1');
    const root = db.bucket(name)?.root;
    return {
      name,
      pairs: () => changedPairs(root ? pairsOf(db, root) : [], changes.get(latin1) ?? []),
    };
  });
}

/** One view for all pairs, which moves on with each. */
function* pairsOf(db: BboltFile, root: BucketRoot): Generator<PairView, void, undefined> {
  const view = { bytes: Buffer.alloc(0) as Buffer, start: 0, valueStart: 0, end: 0 };
  for (const leaf of db.leaves(root)) {
    view.bytes = leaf.bytes;
    for (let i = 0; i < leaf.count; i++) {
      if (elementFlags(leaf, i) !== 0) {
        const what = `page ${leaf.id}, element ${i}: is a bucket inside a bucket`;
        throw new CorruptFileError('RECORD_CORRUPT', db.path, what);
      }
      view.start = keyStart(leaf, i);
      view.valueStart = keyEnd(leaf, i);
      view.end = valueEnd(leaf, i);
      yield view;
    }
  }
}

function* changedPairs(
  pairs: Iterable<PairView>,
  changes: readonly PairChange[],
): Generator<PairView, void, undefined> {
  let next = 0;
  for (const pair of pairs) {
    let replaced = false;
    while (next < changes.length && !replaced) {
      const { key, value } = changes[next]!;
      const order = key.compare(pair.bytes, pair.start, pair.valueStart);
      if (order > 0) break;
      replaced = order === 0;
      next++;
      if (value) yield pairView(key, value);
    }
    if (!replaced) yield pair;
  }
  for (const { key, value } of changes.slice(next)) if (value) yield pairView(key, value);
}
