import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  agreementOf,
  contradiction,
  type MemberLog,
} from '../../../src/etcd-files/data-directory/agreement.js';
import { LogOutline } from '../../../src/etcd-files/data-directory/log-outline.js';
import { RaftModel, type Outcome } from './raft-model.js';

/** The terms of the entries 1, 2, 3 and so on. */
function logOf(
  memberId: number,
  terms: readonly number[],
  known: number,
  voters = [1, 2, 3],
  checksums = terms,
): MemberLog {
  const outline = new LogOutline();
  for (const [i, term] of terms.entries()) outline.add(BigInt(i + 1), BigInt(term), checksums[i]!);
  return {
    memberId: BigInt(memberId),
    voters: new Set(voters.map(BigInt)),
    known: BigInt(known),
    outline,
  };
}

const outcome = (...logs: readonly MemberLog[]): object => {
  const { upTo, doubt, holders } = agreementOf(logs);
  return { upTo: Number(upTo), doubt, holders: holders.map(({ memberId }) => Number(memberId)) };
};

describe('what counts of the logs of three members', () => {
  test('is what all have, though none has it on record', () => {
    const logs = [logOf(1, [1, 1, 1], 2), logOf(2, [1, 1, 1], 2), logOf(3, [1, 1, 1], 1)];
    expect(outcome(...logs)).toEqual({ upTo: 3, doubt: undefined, holders: [1, 2, 3] });
  });

  test('is not what one alone has, which was never acknowledged', () => {
    const logs = [logOf(1, [1, 1, 1], 2), logOf(2, [1, 1], 2), logOf(3, [1, 1], 2)];
    expect(outcome(...logs)).toEqual({ upTo: 2, doubt: undefined, holders: [1, 2, 3] });
  });

  test('is what the longer of two has, when the third is lost: it may have had it too', () => {
    expect(outcome(logOf(1, [1, 1, 1], 2), logOf(2, [1, 1], 2))).toMatchObject({ upTo: 3, holders: [1] });
  });

  test('is not what two have of an old term, when the third would be elected over them', () => {
    const logs = [logOf(1, [1, 2, 2], 1), logOf(2, [1, 2, 2], 1), logOf(3, [1, 3], 1)];
    expect(outcome(...logs)).toMatchObject({ upTo: 1, doubt: undefined });
  });

  test('is what is on record, of one of them, and that more may be missing is said', () => {
    expect(outcome(logOf(1, [1, 1, 1], 2))).toEqual({ upTo: 2, doubt: 'few-voters', holders: [1] });
    // The second has no vote.
    const learner = [logOf(1, [1, 1, 1], 2), logOf(9, [1, 1, 1], 3)];
    expect(outcome(...learner)).toEqual({ upTo: 3, doubt: 'few-voters', holders: [1, 9] });
  });

  test('is what is on record, when older copies of two of them are outvoted by it', () => {
    const logs = [logOf(1, [1], 1), logOf(2, [1, 1, 1, 1], 3), logOf(3, [1], 1)];
    expect(outcome(...logs)).toEqual({ upTo: 3, doubt: 'older-copies', holders: [2] });
  });
});

test('a member that votes alone has all of its log, and one that only follows it has not', () => {
  expect(outcome(logOf(1, [1, 1], 1, [1]))).toMatchObject({ upTo: 2, doubt: undefined });
  expect(outcome(logOf(2, [1, 1], 1, [1]))).toMatchObject({ upTo: 1, doubt: 'few-voters' });
});

test('nothing but the record counts where no log tells who votes', () => {
  const log = { ...logOf(1, [1, 1], 1), voters: undefined };
  expect(outcome(log)).toMatchObject({ upTo: 1, doubt: 'voters-unknown' });
});

test('logs of stores that were restored with the same ids contradict each other', () => {
  const [one, other] = [logOf(1, [1, 1, 2], 3), logOf(2, [1, 1, 3], 3)];
  expect(contradiction(one, other)).toBe(3n);
  expect(contradiction(one, logOf(2, [1, 1, 2], 3))).toBeUndefined();
  expect(contradiction(one, logOf(2, [1, 1, 2], 3, [1, 2, 3], [1, 99, 2]))).toBe(2n);
  // Beyond what both know to be agreed on, each may have what it likes.
  expect(contradiction(logOf(1, [1, 2], 1), logOf(2, [1, 3], 2))).toBeUndefined();
});

/** Which of the members' logs are given, as bits. */
const chosen = (mask: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => i + 1).filter((id) => (mask >> (id - 1)) & 1);

function sharedByAll(logs: readonly (readonly string[])[]): bigint {
  const [first, ...others] = logs;
  let length = 0;
  while (length < first!.length && others.every((log) => log[length] === first![length])) length += 1;
  return BigInt(length);
}

test('every election among the members that are given would make just that count, and all that was acknowledged is in it', () => {
  const step = fc.record({
    type: fc.constantFrom(
      'write',
      'write',
      'write',
      'replicate',
      'replicate',
      'replicate',
      'elect',
      'member',
    ),
    member: fc.nat({ max: 5 }),
    other: fc.nat({ max: 5 }),
    lazy: fc.boolean(),
  });
  const doubts = new Set<string>();
  const property = fc.property(
    fc.constantFrom(1, 3, 5),
    fc.array(step, { minLength: 5, maxLength: 60 }),
    fc.nat(),
    (count, steps, mask) => {
      const model = new RaftModel(count);
      for (const one of steps) model.step(one);
      const given = chosen(mask % 2 ** model.count || 2 ** model.count - 1, model.count);
      const { upTo, doubt } = agreementOf(given.map((id) => model.logOf(id)));
      doubts.add(doubt ?? 'none');
      const outcomes: readonly Outcome[] = model.electionsAmong(given);
      expect(doubt === undefined).toBe(outcomes.length > 0);
      if (doubt === undefined) {
        expect(upTo).toBe(sharedByAll(outcomes.map(({ log }) => log)));
        expect(upTo).toBeGreaterThanOrEqual(model.acknowledged);
      } else expect(upTo).toBeLessThanOrEqual(model.acknowledged);
    },
  );
  fc.assert(property, { numRuns: 1000 });
  expect([...doubts].sort()).toEqual(['few-voters', 'none']);
});
