import fc from 'fast-check';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { jsonDocument } from '../../../src/dump/write/json.js';
import { compareNatural, yamlDocument } from '../../../src/dump/write/yaml.js';
import type { ApiObject, ApiValue } from '../../../src/sensu/resources/api-value.js';
import { plain } from '../../sensu/resources/recorded.js';
import { runs } from '../../support/runs.js';

function document(spec: ApiObject): string {
  return yamlDocument({ type: 'T', apiVersion: 'core/v2', metadata: {}, spec });
}

/** How `spec.a` is written. */
const written = (value: ApiValue): string =>
  document({ a: value }).split('\n').slice(4).join('\n').slice('  a:'.length);

const pieces = fc.constantFrom(
  ...[
    'a',
    'Z',
    ' ',
    '  ',
    '\n',
    '\n\n',
    '\t',
    '\r',
    ':',
    ': ',
    ' #',
    '#',
    '-',
    '- ',
    '---',
    '...',
    '?',
    '? ',
    ',',
  ],
  ...[
    '"',
    "'",
    '\\',
    '|',
    '>',
    '%',
    '@',
    '`',
    '&',
    '*',
    '!',
    '[',
    ']',
    '{',
    '}',
    '<<',
    '=',
    '~',
    'null',
    'yes',
    'Off',
  ],
  ...[
    '0',
    '1',
    '.',
    '1e5',
    '0x1f',
    '0o7',
    '017',
    '1_000',
    '+1',
    '12:30:45',
    '2026-01-02',
    'T03:04:05Z',
    '.inf',
    '.nan',
  ],
  ...[
    '\u0000',
    '\u0007',
    '\u001b',
    '\u0085',
    '\u00a0',
    '\u2028',
    '\u2029',
    '\ufeff',
    '\ufffd',
    'é',
    'ü',
    '\u{1f600}',
  ],
  ...['word', 'a longer run of words that is folded ', 'x'.repeat(90)],
);
const texts = fc
  .oneof(
    fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join('')),
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc.array(fc.string({ maxLength: 20 }), { maxLength: 30 }).map((parts) => parts.join(' ')),
  )
  // Without quotes, as sensuctl has it; the package yaml alone takes it for a number, when it reads YAML 1.1.
  .filter((text) => !/^e[-+]?\d+$/i.test(text));
const numbers = fc.oneof(
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    // JSON has the shortest digits of a whole number beyond 2^53, which are not all of them.
    .map((value) => (value === 0 || Number.isInteger(value) ? Math.sign(value) : value)),
  fc.integer(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const { value: values } = fc.letrec<{ value: ApiValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(texts, numbers, fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(texts, tie('value'), { maxKeys: 4 }),
  ),
}));

describe('a document in YAML', () => {
  const spec = values.map((value) => ({ a: value }));

  it('is read again as what it was, by YAML 1.2 and by 1.1', () => {
    fc.assert(
      fc.property(spec, (object) => {
        const text = document(object);
        for (const version of ['1.2', '1.1'] as const) {
          const { spec: read } = parse(text, { version, intAsBigInt: true }) as { spec: unknown };
          expect(plain(read as ApiValue)).toEqual(plain(object));
        }
      }),
      { numRuns: runs(5000) },
    );
  }, 180_000);

  it('is read so by another reader too, texts and their keys', () => {
    fc.assert(
      fc.property(texts, texts, fc.array(texts, { maxLength: 3 }), (key, value, list) => {
        fc.pre(key !== '__proto__');
        const object = { [key]: value, list: [list, [value]] };
        expect((load(document(object)) as { spec: unknown }).spec).toEqual(object);
      }),
      { numRuns: runs(10_000) },
    );
  }, 180_000);

  it.each([
    ['yes', ' "yes"\n'],
    ['1.5', ' "1.5"\n'],
    ['12:30:45', ' "12:30:45"\n'],
    ['52:54:00:11:20:67', ' 52:54:00:11:20:67\n'],
    ['2026-01-02', ' "2026-01-02"\n'],
    ['*', " '*'\n"],
    ["it's: so", " 'it''s: so'\n"],
    ['a\tb', ' "a\\tb"\n'],
    ['two\nlines', ' |-\n    two\n    lines\n'],
    ['two\nlines\n', ' |\n    two\n    lines\n'],
    ['\nx\n\n', ' |2+\n\n    x\n\n'],
    ['', ' ""\n'],
    ['\u{1f600}', ' "\\U0001F600"\n'],
    // As a value it is a text to every reader.
    ['<<', ' <<\n'],
    // go-yaml writes nothing plainly behind such a mark.
    ['\ufeffx"y', ' "\\uFEFF\\x78\\"\\x79"\n'],
    ['x\ufeffy', ' "x\\uFEFFy"\n'],
    // sensuctl breaks the line here, and does not read it as it was.
    ['a\u2028b', ' "a\\Lb"\n'],
  ])('has %j as Go writes it', (value, expected) => {
    expect(written(value)).toBe(expected);
  });

  it.each([
    [0.123456789, ' 0.123456789\n'],
    [1234567.5, ' 1.2345675e+06\n'],
    [0.00001, ' 1e-05\n'],
    [1e21, ' 1e+21\n'],
    [2n ** 63n - 1n, ' 9223372036854775807\n'],
  ])('has the number %s as Go writes it', (value, expected) => {
    expect(written(value)).toBe(expected);
  });

  it('has its keys in the order of Go, runs of digits by their number', () => {
    const names = ['a10', 'a2', 'a_b', 'aB', 'ab', 'a', '10', '9', 'a-b', 'é', 'Z', 'a02'];
    expect(names.sort(compareNatural)).toEqual([
      '9',
      '10',
      'Z',
      'a',
      'a-b',
      'a_b',
      'a2',
      'a02',
      'a10',
      'aB',
      'ab',
      'é',
    ]);
  });

  /** sensuctl writes it without quotes, which orders a merge: it cannot read that itself. */
  it('has a key << in quotes', () => {
    expect(document({ '<<': 'x' })).toContain('  "<<": x\n');
  });

  it('orders any keys in one way only', () => {
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        expect(Math.sign(compareNatural(a, b)) + Math.sign(compareNatural(b, a))).toBe(0);
      }),
    );
  });

  it('has a key that is too long for one line as one all the same', () => {
    const name = `${'word '.repeat(40)}end`;
    expect(parse(document({ a: { [name]: { b: [name] } } }))).toMatchObject({
      spec: { a: { [name]: { b: [name] } } },
    });
  });
});

describe('a document in JSON', () => {
  /** The trap: objects of JavaScript have such names in front, whatever was set first. */
  it('has its keys in the order of Go, also those that look like whole numbers', () => {
    const names = { '10': 'a', '2': 'b', '-1': 'c', a: 'd', Z: 'e' };
    const text = jsonDocument({
      type: 'T',
      apiVersion: 'v',
      metadata: { annotations: names, name: 'n', labels: names },
      spec: { list: [names] },
    });
    const inOrder = ['-1', '10', '2', 'Z', 'a'];
    expect([...text.matchAll(/^ {4,}"(\S+)":/gm)].map(([, name]) => name)).toEqual([
      ...['name', 'labels', ...inOrder, 'annotations', ...inOrder, 'list', ...inOrder],
    ]);
  });

  it('is read again as what it was', () => {
    fc.assert(
      fc.property(values, (value) => {
        const text = jsonDocument({
          type: 'T',
          apiVersion: 'v',
          metadata: { name: 'n', labels: {} },
          spec: { a: value },
        });
        const { spec } = parse(text, { intAsBigInt: true, schema: 'json' }) as { spec: ApiValue };
        expect(plain(spec)).toEqual(plain({ a: value }));
        expect(() => JSON.parse(text) as unknown).not.toThrow();
      }),
      { numRuns: runs(2000) },
    );
  }, 180_000);
});
