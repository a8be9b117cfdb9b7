import { describe, expect, it } from 'vitest';
import { judgeAge, type AgeVerdict } from '../../../src/snapshot/keep/age-check.js';
import type { StoredSnapshot, StrayFile } from '../../../src/snapshot/keep/catalog.js';

const now = new Date('2026-11-23T12:00:00Z');
const hour = 3_600_000;

function snapshot(hoursOld: number, verified = false): StoredSnapshot {
  return {
    name: `sensu-r${hoursOld}.sferry`,
    createdAt: new Date(now.getTime() - hoursOld * hour),
    modifiedAt: now,
    ...{ revision: 884n, keys: 12, size: 5000, storedSize: 1000, digest: 'd', fingerprint: 'f' },
    ...{ verification: undefined, verifiedAt: verified ? now : undefined },
    ...{ encrypted: false, pinned: false },
  };
}

function judge(
  snapshots: readonly StoredSnapshot[],
  requireVerified = false,
  kind: StrayFile['kind'] = 'foreign',
): AgeVerdict {
  const strays = [1, 2, 3, 4, 5].map((number) => ({
    name: `x${number}.sferry`,
    kind,
    reason: 'is cut short',
  }));
  const limits = { maxAge: 26 * hour, requireVerified };
  return judgeAge({ snapshots, strays, orphans: [] }, limits, now);
}

describe('the age of the newest snapshot', () => {
  it.each([
    ['OK', [snapshot(10), snapshot(34)]],
    ['OK', [snapshot(26)]],
    ['CRITICAL', [snapshot(26.001)]],
    ['CRITICAL', []],
    // A clock that ran ahead must not silence the alarm for years.
    ['CRITICAL', [snapshot(-24), snapshot(34)]],
    ['CRITICAL', [snapshot(-24)]],
    ['WARNING', [snapshot(-24), snapshot(10)]],
    // Hosts whose clocks are kept in step.
    ['OK', [snapshot(-0.02)]],
  ])('%s', (state, snapshots) => {
    expect(judge(snapshots)).toMatchObject({ state });
  });

  it('counts verified ones alone when asked to', () => {
    expect(judge([snapshot(2), snapshot(20, true)], true)).toMatchObject({ state: 'OK', count: 1 });
    expect(judge([snapshot(2), snapshot(30, true)], true)).toMatchObject({ state: 'CRITICAL' });
    expect(judge([snapshot(2)], true)).toMatchObject({ state: 'CRITICAL', newest: undefined });
  });

  it.each(['damaged', 'unreadable'] as const)('names what is %s, the first few', (kind) => {
    const sentence = expect.stringMatching(
      `${kind}: x1\\.sferry, x2\\.sferry, x3\\.sferry and 2 more$`,
    ) as string;
    expect(judge([snapshot(2)], false, kind)).toMatchObject({ state: 'WARNING', sentence });
    expect(judge([snapshot(30)], false, kind)).toMatchObject({ state: 'CRITICAL', sentence });
    expect(judge([], false, kind)).toMatchObject({ state: 'CRITICAL', sentence });
  });
});
