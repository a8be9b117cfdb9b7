import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decideRetention,
  type RetainedSnapshot,
  type RetentionPolicy,
} from '../../src/snapshot/retention.js';

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

const anySnapshots = fc
  .array(
    fc.record({
      // Few times, so that many are equal.
      createdAt: fc.integer({ min: -40, max: 5 }).map((days) => new Date(now.getTime() + days * 43_200_000)),
      revision: fc.bigInt({ min: 1n, max: 5n }),
      verifiedAt: fc.option(fc.constant(now), { nil: undefined }),
      pinned: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map((list) => list.map((one, index): RetainedSnapshot => ({ ...one, name: `${index}.sferry` })));

const anyPolicy = fc.record(
  {
    last: fc.nat(5),
    daily: fc.nat(5),
    weekly: fc.nat(5),
    monthly: fc.nat(5),
    within: fc.nat(10 * 86_400_000),
  },
  { requiredKeys: [] },
);

describe('of any snapshots, with equal times among them', () => {
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
