import { expect } from 'vitest';
import type { Ended } from '../support/ferry.js';

/** Orders of seven bits and of eight, another direction of writing, and a line that is not ours. */
export const hostile = 'a\x1b]0;owned\x07\x1b[2Jb\x9b31m\u202ec\r\nerror: all is well';

// eslint-disable-next-line no-control-regex -- the characters that must not arrive
export const orders = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]/;

/** That the words were printed, or nothing would be proven, and neither as orders nor as a line of their own. */
export function expectHarmless({ stdout, stderr }: Ended): void {
  expect(stdout + stderr).toContain('owned');
  expect(stdout + stderr).not.toMatch(orders);
  expect(stdout + stderr).not.toMatch(/^error: all is well/m);
}
