import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseJson } from '../../../src/dump/read/json-value.js';
import { TextFault } from '../../../src/dump/read/place.js';
import { runs } from '../../support/runs.js';

describe('JSON of a dump', () => {
  test('is read as JSON.parse reads it, whatever it holds', () => {
    const someJson = fc.tuple(fc.json({ maxDepth: 5 }), fc.constantFrom(undefined, 1, '\t'));
    fc.assert(
      fc.property(someJson, ([text, indent]) => {
        const value: unknown = JSON.parse(text);
        const read = parseJson(JSON.stringify(value, null, indent));
        expect(JSON.parse(JSON.stringify(read, roundLarge))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: runs(3000) },
    );
  });

  test('is refused wherever JSON.parse refuses it, and never with another error', () => {
    const broken = fc
      .tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.nat(3), fc.string({ maxLength: 3 }))
      .map(([text, at, cut, put]) => {
        const start = at % (text.length + 1);
        return text.slice(0, start) + put + text.slice(start + cut);
      });
    fc.assert(
      fc.property(broken, (text) => {
        // The one form of sensuctl's that is read all the same: see below.
        fc.pre(!/\\[&<>]/.test(text));
        const accepts = outcome(() => JSON.parse(text) as unknown);
        const ours = outcome(() => parseJson(text));
        if (ours === 'a key is there twice') return;
        expect(ours === undefined, text).toBe(accepts === undefined);
      }),
      { numRuns: runs(50_000) },
    );
  });

  /** The trap: sensuctl writes a text \u0026 as \&, which no JSON has, and cannot read it again. */
  test('is read as sensuctl meant it', () => {
    const meant = { command: String.raw`grep '\u003c' \\u0026 & < \ >`, '\\u003e': 'x' };
    const written = JSON.stringify(meant)
      .replaceAll('\\u0026', '&')
      .replaceAll('\\u003c', '<')
      .replaceAll('\\u003e', '>');
    expect(() => JSON.parse(written) as unknown).toThrow();
    expect(parseJson(written)).toEqual(meant);
  });

  test('keeps every digit of whole numbers of 64 bits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }), (number) => {
        const value = parseJson(`{"n": ${number}}`) as { n: number | bigint };
        expect(BigInt(value.n)).toBe(number);
        expect(typeof value.n).toBe(Number.isSafeInteger(Number(number)) ? 'number' : 'bigint');
      }),
    );
  });

  test.each([
    ['{"a": 1,\n "a": 2}', 'a key is there twice', 1],
    ['{"a":\n{"b"\n', 'the JSON is cut short', 2],
    ['{"a": "x\ny"}', 'it is not JSON', 0],
    ['{"a": "x', 'the JSON is cut short', 0],
    ['{"a": tru}', 'it is not JSON', 0],
    ['{"a": 01}', 'it is not JSON', 0],
    ['{\na: 1}', 'it is not JSON', 1],
    ['{} {}', 'it is not JSON', 0],
    ['['.repeat(100_000), 'it is nested too many levels deep', 0],
  ])('says what is wrong in %j', (text, fault, line) => {
    const error = faultOf(text);
    expect(error.message).toBe(fault);
    expect(error.line).toBe(line);
  });

  test('takes __proto__ for a key like any other', () => {
    const value = parseJson('{"__proto__": {"polluted": true}}') as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect('polluted' in value).toBe(false);
  });
});

const roundLarge = (_key: string, part: unknown): unknown => (typeof part === 'bigint' ? Number(part) : part);

function faultOf(text: string): TextFault {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof TextFault) return error;
    throw error;
  }
  throw new Error('It was read.');
}

function outcome(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof TextFault || error instanceof SyntaxError) return error.message;
    throw error;
  }
}
