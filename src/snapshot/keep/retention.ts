import { factsInName } from './file-name.js';

/**
 * How many snapshots of each series to keep, as in restic's `forget`. Days, weeks and months are those of UTC. While
 * days, weeks or months are left over, the oldest snapshot stays too, so that the history is as long as can be.
 */
export interface RetentionPolicy {
  /** The newest so many. */
  readonly last?: number;
  /** The newest of each of the newest so many days that have one. */
  readonly daily?: number;
  /** The same of weeks, which begin on Monday. */
  readonly weekly?: number;
  readonly monthly?: number;
  /** The newest, and those that are older by so many milliseconds at most: a stop of the backups removes none. */
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
  'pinned' | 'newest verified' | 'dated in the future' | 'last' | 'within' | Period | `oldest ${Period}`;

type Period = 'daily' | 'weekly' | 'monthly';

export interface Retention<Snapshot extends RetainedSnapshot> {
  readonly snapshot: Snapshot;
  /** Empty for one that goes. */
  readonly reasons: readonly KeepReason[];
}

/**
 * Decides which snapshots stay, newest first. Each series is decided by itself: what one cluster saves takes no place
 * of another's in the same folder. Whatever the policy says, the newest verified one stays, and so do pinned ones. A
 * clock that jumped does no harm: a snapshot from the future stays but counts for nothing, so it takes no other's
 * place, and age is reckoned from the newest that counts, not from a clock that may have run ahead of them all.
 */
export function decideRetention<Snapshot extends RetainedSnapshot>(
  snapshots: readonly Snapshot[],
  policy: RetentionPolicy,
  now: Date,
): readonly Retention<Snapshot>[] {
  const newestFirst = [...snapshots].sort(byAge);
  const reasons = new Map<Snapshot, KeepReason[]>(newestFirst.map((snapshot) => [snapshot, []]));
  const keep: Keep<Snapshot> = (reason, kept) => {
    for (const snapshot of kept) reasons.get(snapshot)!.push(reason);
  };
  for (const series of seriesOf(newestFirst)) decideSeries(series, policy, now, keep);
  return [...reasons].map(([snapshot, why]) => ({ snapshot, reasons: why }));
}

type Keep<Snapshot> = (reason: KeepReason, kept: Iterable<Snapshot>) => void;

function decideSeries<Snapshot extends RetainedSnapshot>(
  newestFirst: readonly Snapshot[],
  policy: RetentionPolicy,
  now: Date,
  keep: Keep<Snapshot>,
): void {
  const future = newestFirst.filter(({ createdAt }) => createdAt > now);
  const counted = newestFirst.filter(({ createdAt }) => createdAt <= now);
  const verified = counted.filter(({ verifiedAt }) => verifiedAt !== undefined);
  keep(
    'pinned',
    newestFirst.filter(({ pinned }) => pinned),
  );
  keep('newest verified', verified.slice(0, 1));
  keep('dated in the future', future);
  keep('last', counted.slice(0, policy.last ?? 0));
  keepPeriods('daily', counted, dayOf, policy.daily, keep);
  keepPeriods('weekly', counted, weekOf, policy.weekly, keep);
  keepPeriods('monthly', counted, monthOf, policy.monthly, keep);
  keep('within', youngerThan(counted, policy.within));
}

/** By the name without time, revision and ending; those that were given names of their own are one series. */
function seriesOf<Snapshot extends RetainedSnapshot>(
  snapshots: readonly Snapshot[],
): Iterable<readonly Snapshot[]> {
  const series = new Map<string, Snapshot[]>();
  for (const snapshot of snapshots) {
    const name = factsInName(snapshot.name)?.series ?? '';
    series.set(name, [...(series.get(name) ?? []), snapshot]);
  }
  return series.values();
}

/** Newest first; of equal times the higher revision, and then the name, so that the order is always the same. */
function byAge(a: RetainedSnapshot, b: RetainedSnapshot): number {
  const difference = b.createdAt.getTime() - a.createdAt.getTime();
  if (difference !== 0) return difference;
  if (a.revision !== b.revision) return a.revision > b.revision ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

function keepPeriods<Snapshot extends RetainedSnapshot>(
  period: Period,
  newestFirst: readonly Snapshot[],
  periodOf: (time: Date) => string,
  periods: number | undefined,
  keep: Keep<Snapshot>,
): void {
  const newest = new Map<string, Snapshot>();
  for (const snapshot of newestFirst) {
    const name = periodOf(snapshot.createdAt);
    if (!newest.has(name)) newest.set(name, snapshot);
  }
  const kept = [...newest.values()].slice(0, periods ?? 0);
  keep(period, kept);
  const oldest = newestFirst.at(-1);
  if (oldest !== undefined && kept.length < (periods ?? 0) && !kept.includes(oldest)) {
    keep(`oldest ${period}`, [oldest]);
  }
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
