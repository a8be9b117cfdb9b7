import fc from 'fast-check';
import { dump } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { TextFault } from '../../../src/dump/read/place.js';
import { parseYaml } from '../../../src/dump/read/yaml-value.js';
import { runs } from '../../support/runs.js';

const printable = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .filter((text) => !/[\u007f-\u009f\ufeff\ufffe\uffff]/.test(text));
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    printable,
    fc.boolean(),
    fc.constant(null),
    fc.integer(),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(printable, tie('any'), { maxKeys: 4 }),
  ),
})).any;

describe('YAML of a dump', () => {
  test('is what two other programs have written, whatever it holds', () => {
    fc.assert(
      fc.property(value, (content) => {
        expect(parseYaml(dump({ content }, { noRefs: true }))).toEqual([{ content }]);
        expect(parseYaml(stringify({ content }, { version: '1.1', aliasDuplicateObjects: false }))).toEqual([
          { content },
        ]);
      }),
      { numRuns: runs(1000) },
    );
  });

  test('keeps every digit of whole numbers, in every form that sensuctl reads', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.constantFrom(2, 8, 10, 16),
        (n, base) => {
          const sign = n < 0n ? '-' : '';
          const prefix = { 2: '0b', 8: '0', 10: '', 16: '0x' }[base];
          const digits = (n < 0n ? -n : n).toString(base);
          const [document] = parseYaml(`number: ${sign}${prefix}${digits}`) as [{ number: number | bigint }];
          expect(BigInt(document.number)).toBe(n);
        },
      ),
    );
  });

  test.each([
    ['yes', true],
    ['off', false],
    ['"yes"', 'yes'],
    ['1_000', 1000],
    ['0755', 493],
    ['0891', 891],
    ['2026-01-01T22:00:00Z', '2026-01-01T22:00:00Z'],
    ['12:30', '12:30'],
    ['1.5', 1.5],
    ['~', null],
    ['', null],
  ])('reads %s as sensuctl does', (text, expected) => {
    expect(parseYaml(`a: ${text}`)).toEqual([{ a: expected }]);
  });

  test.each([
    ['a tab', 'a:\n\tb: 1', 'a tab is used to indent', 1],
    ['a key twice', 'a: 1\nb: 2\na: 3', 'a key is there twice', 2],
    ['a text that is cut', 'a: 1\nb: "x\n', 'not closed', 1],
    ['a list that is cut', 'a: [1, 2', 'not closed', 0],
    ['an alias of nothing', 'a: *secret', 'an alias stands for no anchor', 0],
    ['a tag', 'a: !!python/object x', 'a tag (!) is used', 0],
    ['a key << without quotes', 'a:\n  b: 1\n  <<: secret\n  c: 2', 'a key << without quotes', 2],
    ['blanks behind U+2028', "a: 1\nb: 'x\u2028  y'\n", 'blanks follow a separator (U+2028', 1],
    ['an alias in itself', 'a: &a [*a]', 'within its own anchor', 0],
    ['depth', '['.repeat(5000), 'nested more than 100', 0],
    ['a control character', 'a: 1\nb: \u0001', 'non-printable', 1],
  ])('says where there is %s, and quotes nothing', (_what, text, fault, line) => {
    const error = faultOf(text);
    expect(error.message).toContain(fault);
    expect(error.message).not.toContain('secret');
    expect(error.line).toBe(line);
  });

  test('refuses a key that would become true or false, and takes such words elsewhere', () => {
    expect(faultOf('a: 1\nlabels:\n  on: x\n')).toMatchObject({
      line: 2,
      message: expect.stringContaining('put it in quotes') as string,
    });
    expect(faultOf('labels: {a: 1, n: x}').message).toContain('put it in quotes');
    const text = '"on": 1\ntrue: 2\ncommand: |\n  yes: x\n';
    expect(parseYaml(text)).toEqual([{ on: 1, true: 2, command: 'yes: x\n' }]);
    expect(parseYaml('command: |\n  yes: x\nonly: 1\n')).toEqual([{ command: 'yes: x\n', only: 1 }]);
  });

  test('refuses aliases that blow up, at once', () => {
    const levels = Array.from({ length: 30 }, (_, level) => {
      const items =
        level === 0
          ? 'x, x, x'
          : Array(9)
              .fill(`*l${level - 1}`)
              .join(', ');
      return `l${level}: &l${level} [${items}]`;
    });
    expect(faultOf(levels.join('\n')).message).toContain('blow up');
    const merges = Array.from({ length: 300 }, (_, i) => `k${i}: 1`).join(', ');
    const uses = Array.from({ length: 300 }, (_, i) => `u${i}: {<<: *m}`).join('\n');
    expect(faultOf(`m: &m {${merges}}\n${uses}`).message).toContain('merges too many keys');
  });

  test('takes aliases and merges as people write them', () => {
    expect(parseYaml('a: &a {b: 1}\nc: *a\nd: {<<: *a, e: 2}')).toEqual([
      { a: { b: 1 }, c: { b: 1 }, d: { b: 1, e: 2 } },
    ]);
  });

  test('throws nothing but its own faults, whatever the text', () => {
    const unit = fc.constantFrom(
      ...Array.from('abc:- \n\t"\'[]{}&*!|>%@`#,?0x1_e.~<é\u0000\r'),
      '\n---\n',
      ': ',
      '- ',
      '<<: ',
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
        try {
          parseYaml(text);
        } catch (error) {
          expect(error).toBeInstanceOf(TextFault);
        }
      }),
      { numRuns: runs(50_000) },
    );
  });
});

function faultOf(text: string): TextFault {
  try {
    parseYaml(text);
  } catch (error) {
    if (error instanceof TextFault) return error;
    throw error;
  }
  throw new Error('It was read.');
}
