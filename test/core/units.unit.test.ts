import { expect, it } from 'vitest';
import { FerryError } from '../../src/core/errors.js';
import { formatCounted } from '../../src/core/units.js';

it('counts one thing as one', () => {
  expect([0, 1, 2, 1200n].map((count) => formatCounted(count, 'key'))).toEqual([
    '0 keys',
    '1 key',
    '2 keys',
    '1,200 keys',
  ]);
  expect([1n, 2].map((count) => formatCounted(count, 'log entry', 'log entries'))).toEqual([
    '1 log entry',
    '2 log entries',
  ]);
});

it('ends the sentence of an error with one full stop, whatever the words in it end with', () => {
  const said = (message: string): string =>
    new FerryError({ kind: 'failed', code: 'X', message, hint: '' }).message;
  expect(said('The start command ended with exit code 1: Job failed..')).toBe(
    'The start command ended with exit code 1: Job failed.',
  );
  expect(said('It says: wait...')).toBe('It says: wait...');
});
