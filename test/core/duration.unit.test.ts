import { expect, it } from 'vitest';
import { parseSeconds } from '../../src/core/duration.js';

it('takes durations where a bare number has always been one of seconds', () => {
  expect(['90', '0.5', '90s', '1m30s'].map((text) => parseSeconds(text, '--start-timeout'))).toEqual([
    90_000, 500, 90_000, 90_000,
  ]);
});

it.each(['0', '', '-1', '1 m', '1y'])('%j is refused by name', (text) => {
  expect(() => parseSeconds(text, '--start-timeout')).toThrow(/--start-timeout .* is not a duration/);
});
