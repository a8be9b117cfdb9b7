import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../../src/core/duration.js';
import {
  decideRetention,
  type RetainedSnapshot,
  type RetentionPolicy,
} from '../../../src/snapshot/keep/retention.js';
import { runs } from '../../support/runs.js';

const now = new Date('2026-08-05T12:00:00Z');

function snapshot(time: string, more: Partial<RetainedSnapshot> = {}): RetainedSnapshot {
  const createdAt = new Date(time);
  return { name: `${time}.sferry`, createdAt, revision: 1n, verifiedAt: undefined, pinned: false, ...more };
}

function kept(snapshots: readonly RetainedSnapshot[], policy: RetentionPolicy, at = now): readonly string[] {
  return decideRetention(snapshots, policy, at)
    .filter(({ reasons }) => reasons.length > 0)
    .map(({ snapshot: { name } }) => name.replace('.sferry', ''));
}

describe('what a policy keeps', () => {
  const nightly = Array.from({ length: 60 }, (_, day) =>
    snapshot(new Date(Date.UTC(2026, 7, 5 - day, 2, 15)).toISOString()),
  );

  it('the newest so many', () => {
    expect(kept(nightly, { last: 2 })).toEqual(['2026-08-05T02:15:00.000Z', '2026-08-04T02:15:00.000Z']);
  });

  it('the newest of each day, however many a day has', () => {
    const twice = [...nightly, snapshot('2026-08-04T23:59:59Z'), snapshot('2026-08-04T00:00:00Z')];
    expect(kept(twice, { daily: 2 })).toEqual(['2026-08-05T02:15:00.000Z', '2026-08-04T23:59:59Z']);
  });

  it('days without a snapshot do not use up the days', () => {
    const gaps = [snapshot('2026-08-05T01:00:00Z'), snapshot('2026-06-01T01:00:00Z')];
    expect(kept(gaps, { daily: 2 })).toHaveLength(2);
  });

  it('weeks from Monday to Sunday', () => {
    // 2026-08-03 is a Monday.
    expect(kept(nightly, { weekly: 3 })).toEqual([
      '2026-08-05T02:15:00.000Z',
      '2026-08-02T02:15:00.000Z',
      '2026-07-26T02:15:00.000Z',
    ]);
  });

  it('months', () => {
    expect(kept(nightly, { monthly: 2 })).toEqual(['2026-08-05T02:15:00.000Z', '2026-07-31T02:15:00.000Z']);
  });

  it('all that are young enough', () => {
    const threeDays = 3 * 24 * 60 * 60 * 1000;
    expect(kept(nightly, { within: threeDays })).toHaveLength(4);
  });
});

describe('what no policy takes', () => {
  it('the newest verified one, although newer ones are there', () => {
    const snapshots = [
      snapshot('2026-08-05T02:00:00Z'),
      snapshot('2026-08-01T02:00:00Z', { verifiedAt: now }),
      snapshot('2026-07-01T02:00:00Z', { verifiedAt: now }),
    ];
    expect(kept(snapshots, { last: 1 })).toEqual(['2026-08-05T02:00:00Z', '2026-08-01T02:00:00Z']);
  });

  it('the newest verified one of equal times, whatever the order: that of the higher revision', () => {
    const time = '2026-08-01T02:00:00Z';
    const twins = [1n, 2n].map((revision) =>
      snapshot(time, { name: `r${revision}.sferry`, revision, verifiedAt: now }),
    );
    const newer = snapshot('2026-08-05T02:00:00Z');
    expect(kept([newer, ...twins], { last: 1 })).toEqual([newer.name.replace('.sferry', ''), 'r2']);
    expect(kept([...twins.toReversed(), newer], { last: 1 })).toHaveLength(2);
  });

  it('the newest verified one of today, although one from the future is verified too', () => {
    const snapshots = [
      snapshot('2099-01-01T00:00:00Z', { verifiedAt: now }),
      snapshot('2026-08-05T02:00:00Z'),
      snapshot('2026-08-04T02:00:00Z', { verifiedAt: now }),
      snapshot('2026-08-03T02:00:00Z', { verifiedAt: now }),
    ];
    expect(kept(snapshots, { last: 1 })).toEqual([
      '2099-01-01T00:00:00Z',
      '2026-08-05T02:00:00Z',
      '2026-08-04T02:00:00Z',
    ]);
  });

  it('anything, while the clock is behind all of them', () => {
    const snapshots = [snapshot('2026-08-05T02:00:00Z'), snapshot('2026-08-04T02:00:00Z')];
    expect(kept(snapshots, { last: 1 }, new Date(0))).toHaveLength(2);
  });

  it('the snapshots of one cluster for those of another in the same folder', () => {
    const ofCluster = (cluster: string, day: number, verified = false): RetainedSnapshot =>
      snapshot(`2026-08-0${day}T02:00:00Z`, {
        name: `sensu-${cluster}-2026080${day}T020000Z-r${day}.sferry`,
        verifiedAt: verified ? now : undefined,
      });
    const snapshots = [
      ...[ofCluster('a', 5), ofCluster('a', 4, true), ofCluster('a', 3)],
      ...[ofCluster('b', 3), ofCluster('b', 2), ofCluster('b', 1, true)],
    ];
    expect(kept(snapshots, { last: 1 }).map((name) => name.slice(6, 16))).toEqual([
      ...['a-20260805', 'a-20260804', 'b-20260803', 'b-20260801'],
    ]);
  });

  it('pinned ones', () => {
    const snapshots = [snapshot('2026-08-05T02:00:00Z'), snapshot('2020-01-01T00:00:00Z', { pinned: true })];
    expect(kept(snapshots, { last: 1 })).toHaveLength(2);
  });
});

describe('a clock that jumped', () => {
  it('and made a snapshot in the far future: that one takes no place of the others', () => {
    const snapshots = [snapshot('2099-01-01T00:00:00Z'), snapshot('2026-08-05T02:00:00Z')];
    expect(kept(snapshots, { last: 1, within: 1000 })).toEqual([
      '2099-01-01T00:00:00Z',
      '2026-08-05T02:00:00Z',
    ]);
  });

  it('ahead while pruning: age is reckoned from the newest snapshot', () => {
    const snapshots = [snapshot('2026-08-05T02:00:00Z'), snapshot('2026-08-04T02:00:00Z')];
    const ahead = new Date('2099-01-01T00:00:00Z');
    expect(kept(snapshots, { within: 30 * 24 * 60 * 60 * 1000 }, ahead)).toHaveLength(2);
  });
});

const half = 43_200_000;

const anySnapshots = fc
  .array(
    fc.record({
      // Half days, so that many times are equal; and some other times, a few of which are in the future.
      createdAt: fc
        .oneof(
          fc.integer({ min: -90, max: 5 }).map((halves) => halves * half),
          fc.integer({ min: -400 * 86_400_000, max: 3_600_000 }),
        )
        .map((from) => new Date(now.getTime() + from)),
      revision: fc.bigInt({ min: 1n, max: 5n }),
      verifiedAt: fc.option(fc.constant(now), { nil: undefined }),
      pinned: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
      cluster: fc.constantFrom('a', 'b'),
    }),
    { maxLength: 40 },
  )
  .map((list) =>
    list.map(({ cluster, ...one }, index): RetainedSnapshot => {
      const time = one.createdAt.toISOString().replace(/[-:]|\.\d+/g, '');
      // The number keeps names apart.
      return {
        ...one,
        name: `sensu-${cluster}-${time}-r${one.revision}${String(index).padStart(4, '0')}.sferry`,
      };
    }),
  );

const anyPolicy = fc.record(
  {
    last: fc.nat(5),
    daily: fc.nat(9),
    weekly: fc.nat(6),
    monthly: fc.nat(5),
    within: fc.nat(60 * 86_400_000),
  },
  { requiredKeys: [] },
);

/**
 * What restic's `forget --group-by` keeps, written as restic does it: one walk from the newest on, in which each option
 * remembers its last period and what is left of its count. Days since 1970 in place of calendars.
 */
function resticKeeps(snapshots: readonly RetainedSnapshot[], policy: RetentionPolicy): Set<string> {
  const keeps = new Set<string>();
  for (const cluster of ['a', 'b']) {
    const list = snapshots
      .filter(
        ({ name, createdAt }) => name.startsWith(`sensu-${cluster}-`) && createdAt.getTime() <= now.getTime(),
      )
      .sort(
        (a, b) =>
          b.createdAt.getTime() - a.createdAt.getTime() ||
          Number(b.revision - a.revision) ||
          (a.name < b.name ? -1 : 1),
      );
    const day = (time: Date): number => Math.floor(time.getTime() / 86_400_000);
    const buckets = [
      { left: policy.last ?? 0, last: NaN, of: (_time: Date, number: number) => number },
      { left: policy.daily ?? 0, last: NaN, of: day },
      // The first of January 1970 was a Thursday.
      { left: policy.weekly ?? 0, last: NaN, of: (time: Date) => Math.floor((day(time) + 3) / 7) },
      {
        left: policy.monthly ?? 0,
        last: NaN,
        of: (time: Date) => time.getUTCFullYear() * 12 + time.getUTCMonth(),
      },
    ];
    list.forEach(({ name, createdAt }, number) => {
      for (const bucket of buckets) {
        const value = bucket.of(createdAt, number);
        if (bucket.left === 0 || (value === bucket.last && number < list.length - 1)) continue;
        keeps.add(name);
        bucket.last = value;
        bucket.left -= 1;
      }
      const age = list[0]!.createdAt.getTime() - createdAt.getTime();
      if (policy.within !== undefined && age <= policy.within) keeps.add(name);
    });
  }
  return keeps;
}

/** Beyond what restic keeps. */
function protectedBeside(snapshots: readonly RetainedSnapshot[]): Set<string> {
  const stay = snapshots.filter(({ pinned, createdAt }) => pinned || createdAt.getTime() > now.getTime());
  return new Set(stay.map(({ name }) => name));
}

describe('of any snapshots, with equal times among them', () => {
  it('those stay that restic keeps, and no others but protected ones', () => {
    fc.assert(
      fc.property(anySnapshots, anyPolicy, (snapshots, policy) => {
        const restic = resticKeeps(snapshots, policy);
        const beside = protectedBeside(snapshots);
        for (const { snapshot, reasons } of decideRetention(snapshots, policy, now)) {
          const expected = restic.has(snapshot.name) || beside.has(snapshot.name);
          const verifiedOnly = reasons.length === 1 && reasons[0] === 'newest verified';
          expect({ name: snapshot.name, stays: reasons.length > 0 && !verifiedOnly }).toEqual({
            ...{ name: snapshot.name, stays: expected },
          });
        }
      }),
      { numRuns: runs(2000) },
    );
  });

  it('whatever the policy, pinned ones and the newest verified one of each cluster stay', () => {
    fc.assert(
      fc.property(anySnapshots, anyPolicy, (snapshots, policy) => {
        const names = new Set(kept(snapshots, policy).map((name) => `${name}.sferry`));
        for (const { name, pinned } of snapshots) if (pinned) expect(names).toContain(name);
        for (const cluster of ['a', 'b']) {
          const verified = snapshots.filter(
            ({ name, verifiedAt, createdAt }) =>
              name.startsWith(`sensu-${cluster}-`) && verifiedAt !== undefined && createdAt <= now,
          );
          const newest = Math.max(...verified.map(({ createdAt }) => createdAt.getTime()));
          const protectedOnes = verified.filter(
            ({ name, createdAt }) => createdAt.getTime() === newest && names.has(name),
          );
          expect(protectedOnes.length > 0).toBe(verified.length > 0);
        }
      }),
      { numRuns: runs(1000) },
    );
  });

  it('a longer --keep-within keeps no less', () => {
    const days = (count: number): number => parseDuration(`${count}d`, '--keep-within');
    fc.assert(
      fc.property(anySnapshots, fc.integer({ min: 1, max: 60 }), (snapshots, count) => {
        const shorter = kept(snapshots, { within: days(count) });
        expect(kept(snapshots, { within: days(count + 1) })).toEqual(expect.arrayContaining([...shorter]));
      }),
    );
  });

  it('the decision does not depend on the order in which a storage lists them', () => {
    fc.assert(
      fc.property(anySnapshots, anyPolicy, (snapshots, policy) => {
        expect(kept([...snapshots].reverse(), policy)).toEqual(kept(snapshots, policy));
      }),
    );
  });

  it('pruning again changes nothing', () => {
    fc.assert(
      fc.property(anySnapshots, anyPolicy, (snapshots, policy) => {
        const names = new Set(kept(snapshots, policy));
        const left = snapshots.filter(({ name }) => names.has(name.replace('.sferry', '')));
        expect(new Set(kept(left, policy))).toEqual(names);
      }),
    );
  });

  it('as many last ones stay as were asked for', () => {
    fc.assert(
      fc.property(anySnapshots, fc.nat(50), (snapshots, last) => {
        const counted = snapshots.filter(({ createdAt }) => createdAt <= now).length;
        expect(kept(snapshots, { last }).length).toBeGreaterThanOrEqual(Math.min(last, counted));
      }),
    );
  });
});
