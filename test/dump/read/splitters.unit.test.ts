import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DocumentSplitter } from '../../../src/dump/read/documents.js';
import { JsonSplitter } from '../../../src/dump/read/json-documents.js';
import { YamlSplitter } from '../../../src/dump/read/yaml-documents.js';
import { runs } from '../../support/runs.js';

/** The documents with their first lines, of a text that comes in pieces of such sizes. */
function split(splitter: DocumentSplitter, text: string, sizes: readonly number[] = []): [string, number][] {
  const bytes = Buffer.from(text);
  const found: [string, number][] = [];
  const take = (documents: Iterable<{ bytes: Buffer; line: number }>): void => {
    for (const document of documents) found.push([document.bytes.toString(), document.line]);
  };
  let at = 0;
  for (const size of [...sizes, bytes.length]) {
    take(splitter.push(bytes.subarray(at, at + size)));
    at += size;
  }
  take(splitter.end());
  return found.filter(([content]) => content !== '');
}

const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 40 });

describe('A dump that comes in pieces', () => {
  test('of YAML is cut at the same places, whatever the pieces', () => {
    const line = fc.constantFrom(
      'a: 1',
      '---',
      '--- # x',
      '---x',
      ' ---',
      '%YAML 1.2',
      '# remark',
      '',
      '--',
      '-',
    );
    const text = fc
      .tuple(fc.array(line), fc.constantFrom('\n', '\r\n'))
      .map(([lines, end]) => lines.join(end));
    fc.assert(
      fc.property(text, sizes, (whole, pieces) => {
        const documents = split(new YamlSplitter(), whole, pieces);
        expect(documents).toEqual(split(new YamlSplitter(), whole));
        expect(documents.map(([content]) => content).join('')).toBe(whole);
      }),
      { numRuns: runs(3000) },
    );
  });

  test('of JSON is cut at the same places, whatever the pieces', () => {
    const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        objects,
        sizes,
        fc.constantFrom('', '\n', ' \n\n'),
        fc.boolean(),
        (all, pieces, between, isList) => {
          const texts = all.map((object) => JSON.stringify(object, null, 1));
          const text = isList ? `[${texts.join(`${between},`)}${between}]` : texts.join(between);
          const documents = split(new JsonSplitter(), text, pieces);
          expect(documents.map(([content]) => content)).toEqual(texts);
          expect(documents).toEqual(split(new JsonSplitter(), text));
        },
      ),
      { numRuns: runs(3000) },
    );
  });

  test('has the right line for each document', () => {
    expect(split(new YamlSplitter(), 'a: 1\nb: 2\n---\nc: |\n  ---\n---\nd: 1\n')).toEqual([
      ['a: 1\nb: 2\n', 1],
      ['---\nc: |\n  ---\n', 3],
      ['---\nd: 1\n', 6],
    ]);
    expect(split(new JsonSplitter(), '[\n\n{"a":\n1},\n {"b": 2}]')).toEqual([
      ['{"a":\n1}', 3],
      ['{"b": 2}', 5],
    ]);
  });

  test.each(['[{}', '[', '[{},', '[{} {}]', '{},{}', '{}]', '[{}]{}', '[[]]', '[1]', '{} x'])(
    'is refused as %j',
    (text) => {
      expect(() => split(new JsonSplitter(), text)).toThrow(/list is not closed|resource in braces/);
    },
  );

  test('keeps a directive with the document that it is for', () => {
    expect(split(new YamlSplitter(), '# x\n%YAML 1.2\n---\na: 1\n---\nb: 1\n')).toEqual([
      ['# x\n%YAML 1.2\n---\na: 1\n', 1],
      ['---\nb: 1\n', 5],
    ]);
  });
});
