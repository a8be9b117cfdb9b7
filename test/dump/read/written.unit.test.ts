import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endMark, headMark } from '../../../src/dump/marks.js';
import { parseJson } from '../../../src/dump/read/json-value.js';
import { parseYaml } from '../../../src/dump/read/yaml-value.js';
import { jsonDocument } from '../../../src/dump/write/json.js';
import { yamlDocument } from '../../../src/dump/write/yaml.js';
import type { ApiObject, ApiResource, ApiValue } from '../../../src/sensu/resources/api-value.js';
import { plain } from '../../sensu/resources/recorded.js';
import { runs } from '../../support/runs.js';

/** Words and signs that mean something to YAML, alone and side by side. */
const pieces = fc.constantFrom(
  ...[
    'yes',
    'no',
    'on',
    'n',
    'y',
    'true',
    'null',
    '~',
    '0x1',
    '010',
    '1_0',
    '1e3',
    '.5',
    '+.',
    '.inf',
    '12:30',
  ],
  ...[
    ' ',
    '\n',
    '\t',
    ':',
    ': ',
    ' #',
    '- ',
    '---',
    '...',
    '? ',
    '"',
    "'",
    '|',
    '>',
    '%',
    '&a',
    '*a',
    '!',
    '{',
    '[',
  ],
  ...['<<', '=', 'é', '\u0085', '\u2028', '😀', '$2a$10$'],
);
const texts = fc.oneof(
  fc.array(pieces, { maxLength: 5 }).map((parts) => parts.join('')),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
);
const wholeNumbers = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const { value: values } = fc.letrec<{ value: ApiValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    texts,
    wholeNumbers,
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Number.isInteger(number)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(texts, tie('value'), { maxKeys: 3 }),
  ),
}));

const resourceWith = (spec: ApiObject): ApiResource => ({
  type: 'Gadget',
  apiVersion: 'acme/v1',
  metadata: { name: 'any' },
  spec,
});

test('what dump writes is read as what it was, whatever it holds', () => {
  fc.assert(
    fc.property(fc.dictionary(texts, values, { maxKeys: 4 }), (spec) => {
      const resource = resourceWith(spec);
      const [fromYaml] = parseYaml(headMark + yamlDocument(resource) + endMark(1)) as [ApiObject];
      expect(plain(fromYaml['spec']!)).toEqual(plain(spec));
      const fromJson = parseJson(jsonDocument(resource)) as ApiObject;
      expect(plain(fromJson['spec']!)).toEqual(plain(spec));
    }),
    { numRuns: runs(5000) },
  );
}, 180_000);
