import { expect, test } from 'vitest';
import { describeDoubt } from '../../src/cli/stopped-words.js';

test.each([
  [{ given: 0, all: 1 }, 'the one voting member is not here'],
  [{ given: 0, all: 3 }, '0 of the 3 voting members are here'],
  [{ given: 1, all: 3 }, '1 of the 3 voting members is here'],
])('voters in words: %o', (voters, words) => {
  expect(describeDoubt({ upTo: 1n, holders: [], doubt: 'few-voters', voters })).toContain(
    `may be missing: ${words}, and only`,
  );
});
