import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedValueError } from '../../src/protobuf/protobuf.js';
import { unsnappy } from '../../src/protobuf/snappy.js';
import { runs } from '../support/runs.js';

const open = (...bytes: readonly number[]): string =>
  unsnappy(Buffer.from(bytes), 'a test').toString('latin1');
const letters = (text: string): number[] => [...Buffer.from(text, 'latin1')];

describe('snappy', () => {
  it('is nothing for nothing', () => {
    expect(open(0)).toBe('');
  });

  it('has literals of all lengths', () => {
    expect(open(3, (3 - 1) << 2, ...letters('abc'))).toBe('abc');
    const long = 'x'.repeat(70_000);
    expect(open(0xf0, 0xa2, 0x04, 62 << 2, 0x6f, 0x11, 0x01, ...letters(long))).toBe(long);
    expect(open(100, 60 << 2, 99, ...letters('y'.repeat(100)))).toBe('y'.repeat(100));
  });

  it('has copies from near and far, which may reach into themselves', () => {
    // Four bytes from one byte back, in each of the three forms.
    expect(open(5, 0, ...letters('a'), 1, 1)).toBe('aaaaa');
    expect(open(5, 0, ...letters('a'), 2 | (3 << 2), 1, 0)).toBe('aaaaa');
    expect(open(5, 0, ...letters('a'), 3 | (3 << 2), 1, 0, 0, 0)).toBe('aaaaa');
    expect(open(8, 3 << 2, ...letters('abcd'), 1, 4)).toBe('abcdabcd');
  });

  it.each([
    ['no length', []],
    ['a length without end', [0xff, 0xff, 0xff, 0xff, 0xff]],
    ['an absurd length', [0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['fewer bytes than its length', [4, 0, 65]],
    ['more bytes than its length', [1, 4, 65, 66]],
    ['a literal past its end', [9, 8 << 2, 65]],
    ['a copy from before its beginning', [5, 0, 65, 1, 2]],
    ['a copy from where it is', [5, 0, 65, 1, 0]],
    ['a copy without its distance', [5, 0, 65, 2 | (3 << 2), 1]],
  ])('is refused with %s', (_what, bytes) => {
    expect(() => open(...bytes)).toThrow(MalformedValueError);
  });

  it('takes no memory for more than its bytes can hold', () => {
    const claimsNearly64MiB = Buffer.from([0xff, 0xff, 0xff, 0x1f, 0, 65]);
    expect(() => unsnappy(claimsNearly64MiB, 'a test')).toThrow('is not what snappy writes');
  });

  it('gives bytes or its one error, whatever it is given', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          expect(unsnappy(Buffer.from(bytes), 'a test')).toBeInstanceOf(Buffer);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedValueError);
        }
      }),
      { numRuns: runs(2000) },
    );
  });
});
