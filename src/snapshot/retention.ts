/** How many snapshots to keep, as in restic's `forget`. Days, weeks and months are those of UTC. */
export interface RetentionPolicy {
  /** The newest so many. */
  readonly last?: number;
  /** The newest of each of the newest so many days that have one. */
  readonly daily?: number;
  /** The same of weeks, which begin on Monday. */
  readonly weekly?: number;
  readonly monthly?: number;
  /** Those younger than so many milliseconds. */
  readonly within?: number;
}

export interface RetainedSnapshot {
  readonly name: string;
  readonly createdAt: Date;
  readonly revision: bigint;
  /** When it was last verified with success; undefined when never. */
  readonly verifiedAt: Date | undefined;
  readonly pinned: boolean;
}

/** Why a snapshot stays. */
export type KeepReason =
  'pinned' | 'newest verified' | 'dated in the future' | 'last' | 'daily' | 'weekly' | 'monthly' | 'within';

export interface Retention<Snapshot extends RetainedSnapshot> {
  readonly snapshot: Snapshot;
  /** Empty for one that goes. */
  readonly reasons: readonly KeepReason[];
}

/**
 * Decides which snapshots stay, newest first. Whatever the policy says, the newest verified one stays, and so
 * do pinned ones. A clock that jumped does no harm: a snapshot from the future stays but counts for nothing, so
 * it takes no other's place, and age is reckoned from the newest that counts, not from a clock that may have
 * run ahead of them all.
 */
export function decideRetention<Snapshot extends RetainedSnapshot>(
  snapshots: readonly Snapshot[],
  policy: RetentionPolicy,
  now: Date,
): readonly Retention<Snapshot>[] {
  const newestFirst = [...snapshots].sort(byAge);
  const counted = newestFirst.filter(({ createdAt }) => createdAt <= now);
  const reasons = new Map<Snapshot, KeepReason[]>(newestFirst.map((snapshot) => [snapshot, []]));
  const keep = (reason: KeepReason, kept: Iterable<Snapshot>): void => {
    for (const snapshot of kept) reasons.get(snapshot)!.push(reason);
  };
  keep(
    'pinned',
    newestFirst.filter(({ pinned }) => pinned),
  );
  keep('newest verified', newestFirst.filter(({ verifiedAt }) => verifiedAt !== undefined).slice(0, 1));
  keep(
    'dated in the future',
    newestFirst.filter(({ createdAt }) => createdAt > now),
  );
  keep('last', counted.slice(0, policy.last ?? 0));
  keep('daily', newestOfEach(counted, dayOf, policy.daily ?? 0));
  keep('weekly', newestOfEach(counted, weekOf, policy.weekly ?? 0));
  keep('monthly', newestOfEach(counted, monthOf, policy.monthly ?? 0));
  keep('within', youngerThan(counted, policy.within));
  return [...reasons].map(([snapshot, why]) => ({ snapshot, reasons: why }));
}

/** Newest first; of equal times the higher revision, and then the name, so that the order is always the same. */
function byAge(a: RetainedSnapshot, b: RetainedSnapshot): number {
  const difference = b.createdAt.getTime() - a.createdAt.getTime();
  if (difference !== 0) return difference;
  if (a.revision !== b.revision) return a.revision > b.revision ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

function newestOfEach<Snapshot extends RetainedSnapshot>(
  newestFirst: readonly Snapshot[],
  periodOf: (time: Date) => string,
  periods: number,
): Iterable<Snapshot> {
  const newest = new Map<string, Snapshot>();
  for (const snapshot of newestFirst) {
    const period = periodOf(snapshot.createdAt);
    if (!newest.has(period)) newest.set(period, snapshot);
  }
  return [...newest.values()].slice(0, periods);
}

function youngerThan<Snapshot extends RetainedSnapshot>(
  newestFirst: readonly Snapshot[],
  milliseconds: number | undefined,
): readonly Snapshot[] {
  const newest = newestFirst[0]?.createdAt.getTime();
  if (milliseconds === undefined || newest === undefined) return [];
  return newestFirst.filter(({ createdAt }) => createdAt.getTime() >= newest - milliseconds);
}

const dayMs = 24 * 60 * 60 * 1000;

const dayOf = (time: Date): string => time.toISOString().slice(0, 10);
const monthOf = (time: Date): string => time.toISOString().slice(0, 7);

/** Named by its Monday. */
function weekOf(time: Date): string {
  const sinceMonday = (time.getUTCDay() + 6) % 7;
  return dayOf(new Date(time.getTime() - sinceMonday * dayMs));
}
