import { parse } from 'lossless-json';
import type { ApiValue } from '../../sensu/resources/api-value.js';
import { wholeNumber } from './value.js';
import { TextFault } from './place.js';

/**
 * Reads one JSON value, strictly: what JSON.parse refuses is refused. Unlike it, this keeps every digit of whole
 * numbers, refuses a key that is there twice, and says in which line a fault is, without quoting the text.
 * @throws TextFault
 */
export function parseJson(text: string): ApiValue {
  try {
    return parse(text, null, {
      parseNumber,
      onDuplicateKey: ({ position }) => {
        throw new TextFault({ code: 'DUMP_NOT_JSON', fault: 'a key is there twice' }, lineAt(text, position));
      },
    }) as ApiValue;
  } catch (error) {
    if (error instanceof TextFault) throw error;
    const mended = asMeantBySensuctl(text);
    if (mended !== text) return parseJson(mended);
    if (error instanceof RangeError) {
      throw new TextFault({ code: 'DUMP_TOO_LARGE', fault: 'it is nested too many levels deep' }, 0);
    }
    throw broken(text, error instanceof Error ? error.message : '');
  }
}

/**
 * sensuctl puts an `&` in the place of each `\\u0026`, also of one that is itself text, whose own backslash then stands
 * before the `&`; `<` and `>` likewise. No JSON has a backslash there.
 */
function asMeantBySensuctl(text: string): string {
  return text.replace(/\\(?:([&<>])|[^])/g, (all, character: string | undefined) =>
    character === undefined ? all : `\\\\u00${character.charCodeAt(0).toString(16)}`,
  );
}

function parseNumber(text: string): number | bigint {
  return /^-?\d+$/.test(text) ? wholeNumber(text) : Number(text);
}

/** The package's own words quote what they stumbled over. */
function broken(text: string, message: string): TextFault {
  const [, position] = /at position (\d+)$/.exec(message) ?? [];
  const at = Number(position ?? 0);
  const fault = at >= text.trimEnd().length ? 'the JSON is cut short' : 'it is not JSON';
  return new TextFault({ code: 'DUMP_NOT_JSON', fault }, lineAt(text, at));
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length - 1;
}
