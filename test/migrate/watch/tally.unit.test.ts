import { expect, it } from 'vitest';
import { Tally } from '../../../src/migrate/watch/tally.js';

function tallyOf(looks: readonly ('ok' | 'passing' | 'failure' | 'disproof')[]): Tally {
  const tally = new Tally('a write');
  for (const look of looks) {
    if (look === 'ok') tally.succeeded();
    else tally.failed(`it ended as ${look}.`, look);
  }
  return tally;
}

it('an election is a warning: what passes is told from what stays', () => {
  expect(tallyOf(['ok', 'passing', 'ok', 'ok', 'ok']).proof().outcome).toBe('warning');
  expect(tallyOf(['ok', 'ok', 'ok', 'ok', 'passing']).proof().outcome).toBe('failed');
  expect(tallyOf(['ok', 'passing', 'passing', 'ok']).proof().outcome).toBe('failed');
});

it('a refusal is a failure however seldom, and another store is a disproof', () => {
  const looks = Array<'ok'>(50).fill('ok');
  expect(tallyOf([...looks, 'failure', ...looks]).proof()).toEqual({
    what: 'a write',
    outcome: 'failed',
    found: 'failed 1 of 101 times: it ended as failure',
  });
  expect(tallyOf([...looks, 'disproof', 'ok']).proof().disproven).toBe(true);
});

it('says of each fault how often it was seen, and names it as news once', () => {
  const tally = new Tally('a write');
  expect([tally.failed('x', 'failure'), tally.failed('x', 'failure')]).toEqual([true, false]);
  expect(tally.proof().found).toBe('failed 2 of 2 times: x (2 times)');
});

it('nothing tried proves nothing', () => {
  expect(tallyOf([]).proof().outcome).toBe('not-checked');
  expect(tallyOf(['ok']).proof().outcome).toBe('proven');
});
