import { expect, it } from 'vitest';
import { memberCount } from '../../../src/migrate/preflight/member-count.js';

const codesOf = (voters: number, learners = 0): string[] =>
  memberCount([
    ...Array.from({ length: voters }, () => ({ isLearner: false })),
    ...Array.from({ length: learners }, () => ({ isLearner: true })),
  ]).map(({ code }) => code);

it('has a word on one member and on an even number, and none on an odd one; learners do not vote', () => {
  expect(codesOf(1)).toEqual(['TARGET_OF_ONE_MEMBER']);
  expect(codesOf(1, 2)).toEqual(['TARGET_OF_ONE_MEMBER']);
  expect(codesOf(2, 1)).toEqual(['TARGET_OF_EVEN_MEMBERS']);
  expect(codesOf(4)).toEqual(['TARGET_OF_EVEN_MEMBERS']);
  expect([...codesOf(3), ...codesOf(5, 1)]).toEqual([]);
});
