import { expect, test } from 'vitest';
import { describeDoubt, describeLag } from '../../../src/cli/words/stopped-members.js';

test.each([
  [{ given: 0, all: 1 }, 'the one voting member is not here'],
  [{ given: 0, all: 3 }, '0 of the 3 voting members are here'],
  [{ given: 1, all: 3 }, '1 of the 3 voting members is here'],
])('voters in words: %o', (voters, words) => {
  expect(describeDoubt({ upTo: 1n, holders: [], doubt: 'few-voters', voters })).toContain(
    `may be missing: ${words}, and only`,
  );
});

test.each([
  [{ entries: 0n, revisions: 0n }, 'm2 (/m2) is level with it'],
  [{ entries: 3n, revisions: 0n }, 'm2 (/m2) lags by 3 entries of the log, at the same revision 7'],
  [{ entries: 3n, revisions: 1n }, 'm2 (/m2) lags by 3 entries of the log and 1 revision, at revision 7'],
])('how far a member lags: %o', (behind, words) => {
  const member = { name: 'm2', path: '/m2', revision: 7n, raftIndex: 1n, leftOut: 0n };
  expect(describeLag({ ...member, behind })).toBe(words);
});
