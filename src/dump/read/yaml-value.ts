import { CORE_SCHEMA, loadAll, Type, YAMLException } from 'js-yaml';
import type { ApiValue } from '../../sensu/resources/api-value.js';
import { wholeNumber } from './value.js';
import { checkExpansion } from './expansion.js';
import { TextFault, type DumpFault } from './place.js';

const wholeNumberForm = /^([-+]?)(0b[01]+|0o?[0-7]+|0x[0-9a-fA-F]+|0|[1-9][0-9]*)$/;

/**
 * As sensuctl reads whole numbers: hexadecimal, octal and binary ones, octal ones also with a plain 0 in front, and
 * underscores between digits. None loses digits.
 */
const wholeNumberType = new Type('tag:yaml.org,2002:int', {
  kind: 'scalar',
  resolve: (source: string | null) => source !== null && wholeNumberForm.test(source.replaceAll('_', '')),
  construct: (source: string) => {
    const [, sign, digits] = wholeNumberForm.exec(source.replaceAll('_', ''))!;
    const value = wholeNumber(digits!.replace(/^0(?=[0-7])/, '0o'));
    return sign === '-' && value !== 0 ? -value : value;
  },
});

const truths = new Map<string | null, boolean>([
  ...['true', 'True', 'TRUE', 'y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON'].map(
    (word) => [word, true] as const,
  ),
  ...['false', 'False', 'FALSE', 'n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF'].map(
    (word) => [word, false] as const,
  ),
]);

/** The words of YAML 1.1, which sensuctl reads: `yes` without quotes is no text. */
const truthType = new Type('tag:yaml.org,2002:bool', {
  kind: 'scalar',
  resolve: (source: string | null) => truths.has(source),
  construct: (source: string) => truths.get(source),
});

/** `<<: *anchor`. The package knows its name, but its types do not. */
const mergeType = new Type('tag:yaml.org,2002:merge', {
  kind: 'scalar',
  resolve: (source: string | null) => source === '<<',
});

/** What sensuctl makes of YAML; what looks like a date stays a text. */
const schema = CORE_SCHEMA.extend({ implicit: [wholeNumberType, truthType, mergeType] });

/** The documents in a text. @throws TextFault */
export function parseYaml(text: string): readonly (ApiValue | undefined)[] {
  refuseBrokenSeparators(text);
  try {
    // Its own limits for depth (100) and merged keys (10,000) hold too.
    const documents = loadAll(text, null, { schema }) as (ApiValue | undefined)[];
    // Without an anchor there is no alias.
    if (text.includes('&')) documents.forEach(checkExpansion);
    refuseTruthKeys(text, documents);
    return documents;
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    // The types leave out what a fault of the content never lacks.
    const mark = error.mark as { readonly line: number } | undefined;
    // What is not closed is missed behind the end.
    const lastLine = text.trimEnd().split('\n').length - 1;
    const line = /^cannot merge/.test(error.reason) ? lineOfMerge(text) : mark?.line;
    throw new TextFault(explain(error.reason), Math.min(line ?? 0, lastLine));
  }
}

/**
 * To YAML 1.1 these are line ends, and the blanks that follow are no text: sensuctl writes and reads them so. To other
 * writers and readers, this one too, they are characters like any other, with blanks behind them.
 */
function refuseBrokenSeparators(text: string): void {
  const at = /[\u2028\u2029][ \t]/.exec(text)?.index;
  if (at === undefined) return;
  const fault = 'blanks follow a separator (U+2028 or U+2029), and whether they are text cannot be told';
  throw new TextFault({ code: 'DUMP_NOT_YAML', fault, hint: asJson }, lineAt(text, at));
}

const asJson = 'Dump it again with --format wrapped-json, or write the separator as \\L in double quotes.';

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length - 1;
}

const truthKeyForm = /(?:^|[{,]|- )[ \t]*(?:[yYnN]|[yY]es|YES|[oO]n|ON|[nN]o|NO|[oO]ff|OFF)[ \t]*:(?:\s|$)/m;

/** Without the words of YAML 1.1. */
const plainSchema = CORE_SCHEMA.extend({ implicit: [wholeNumberType, mergeType] });

/** A label `on: x` would silently become one `true: x`, as it does with sensuctl. Such a line in a text is none. */
function refuseTruthKeys(text: string, documents: readonly (ApiValue | undefined)[]): void {
  const found = truthKeyForm.exec(text);
  if (found === null) return;
  const count = countTruthKeys(documents);
  if (count === 0 || count === countTruthKeys(loadAll(text, null, { schema: plainSchema }) as ApiValue[]))
    return;
  const fault = 'a key is a word that YAML takes for true or false: put it in quotes';
  throw new TextFault({ code: 'DUMP_NOT_YAML', fault }, lineAt(text, found.index));
}

function countTruthKeys(value: ApiValue | undefined | readonly (ApiValue | undefined)[]): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? [] : ['true', 'false'].filter((key) => Object.hasOwn(value, key));
  return Object.values(value).reduce<number>(
    (sum, part: ApiValue | undefined) => sum + countTruthKeys(part),
    own.length,
  );
}

/** The reader is past it when it finds that there is nothing to merge. */
function lineOfMerge(text: string): number {
  const found = /^[ \t-]*<<[ \t]*:(?![ \t]*[*{[])/m.exec(text);
  return lineAt(text, found?.index ?? 0);
}

type Explained = Omit<DumpFault, 'cause'>;

/** The library's own words for these are for programmers, or quote what may be a secret. */
const explanations: readonly (readonly [RegExp, Explained])[] = [
  [
    /^tab characters/,
    { code: 'DUMP_NOT_YAML', fault: 'a tab is used to indent', hint: 'YAML is indented with blanks alone.' },
  ],
  [/^duplicated mapping key/, { code: 'DUMP_NOT_YAML', fault: 'a key is there twice' }],
  [
    /^unexpected end of the (stream|document)/,
    {
      code: 'DUMP_NOT_YAML',
      fault: 'a text or a list that begins before is not closed: the dump may be cut short',
    },
  ],
  [/^unidentified alias/, { code: 'DUMP_NOT_YAML', fault: 'an alias stands for no anchor' }],
  [
    /^cannot merge/,
    {
      code: 'DUMP_NOT_YAML',
      fault: 'a key << without quotes orders a merge, and there is no map to merge',
      hint: 'Where it is the name of a label, put it in quotes; sensuctl writes it without: dump with --format wrapped-json.',
    },
  ],
  [/^merge keys exceeded|^abnormal merge/, { code: 'DUMP_TOO_LARGE', fault: 'it merges too many keys (<<)' }],
  [/^nesting exceeded/, { code: 'DUMP_TOO_LARGE', fault: 'it is nested more than 100 levels deep' }],
  [/tag/, { code: 'DUMP_NOT_YAML', fault: 'a tag (!) is used that no resource of Sensu has' }],
];

function explain(reason: string): Explained {
  const known = explanations.find(([form]) => form.test(reason));
  if (known !== undefined) return known[1];
  // All others are fixed words, but for a character or two that they name.
  return { code: 'DUMP_NOT_YAML', fault: `it is not YAML (${reason})` };
}
