/**
 * Text as go-yaml 2 writes it, which is what sensuctl writes with: so a dump can be compared with one of sensuctl's
 * line by line. Which texts need quotes is that library's view of YAML 1.1; a reader of YAML 1.2 reads the same.
 */

/** Lines are folded at the first blank behind this column. */
const bestWidth = 80;

/** Text that is itself in every YAML, and has no blank to fold at. The words of `words` are looked up besides. */
const simple = /^[A-Za-z/][\w/.-]*$/;

/** What YAML 1.1 takes for null, a truth value or a number. */
const words: ReadonlySet<string> = new Set([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'n', 'N', 'no', 'No', 'NO', 'on', 'On', 'ON', 'off', 'Off', 'OFF'],
  ...['true', 'True', 'TRUE', 'false', 'False', 'FALSE', '', '~', 'null', 'Null', 'NULL'],
  ...['.nan', '.NaN', '.NAN', '.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF', '-.inf', '-.Inf', '-.INF'],
]);

/**
 * @param indent Of the lines that follow the first, in blanks.
 * @param column At which the text begins.
 */
export function yamlText(text: string, indent: number, column: number): string {
  if (simple.test(text) && !words.has(text)) return text;
  const traits = analyze(text);
  if (traits.blockAllowed) return literal(text, indent);
  if (!isOther(text)) {
    if (traits.plainAllowed) return folded(text, indent, column);
    if (traits.singleAllowed) return `'${folded(text.replaceAll("'", "''"), indent, column + 1, true)}'`;
  }
  return doubleQuoted(text, indent, column + 1);
}

/** As a key it would be an order to merge; as a value it is a text like any other. */
const mergeKey = '<<';

/** A key stands on one line. */
export function yamlKey(text: string): string {
  // sensuctl writes it without quotes, and cannot read what it wrote.
  if (text === mergeKey) return `"${mergeKey}"`;
  if (simple.test(text) && !words.has(text)) return text;
  const traits = analyze(text);
  if (!isOther(text)) {
    if (traits.plainAllowed) return text;
    if (traits.singleAllowed) return `'${text.replaceAll("'", "''")}'`;
  }
  return doubleQuoted(text, 0, -Infinity);
}

interface Traits {
  readonly breaks: boolean;
  readonly plainAllowed: boolean;
  readonly singleAllowed: boolean;
  readonly blockAllowed: boolean;
}

/**
 * What go-yaml holds to be unprintable, and writes with a backslash: among it every character beyond U+FFFF. Two
 * separators are line breaks to YAML 1.1 and none to 1.2, so they too are better written so.
 */
const special = /[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;
const indicatorFirst = /^(?:[#,[\]{}&*!|>'"%@`]|[?:-](?=[ \t\n]|$)|---|\.\.\.)/;
const indicatorWithin = /:(?=[ \t\n]|$)|[ \t\n]#/;

function analyze(text: string): Traits {
  const breaks = text.includes('\n');
  const odd = special.test(text) || text.includes(' \n');
  const edges = /^[ \n]|[ \n]$/.test(text);
  return {
    breaks,
    plainAllowed: !breaks && !odd && !edges && !indicatorFirst.test(text) && !indicatorWithin.test(text),
    singleAllowed: !breaks && !odd,
    blockAllowed: breaks && !odd && !text.endsWith(' '),
  };
}

const whole = /^[-+]?(?:0b[01]+|0o?[0-7]+|0x[0-9a-f]+|[1-9]\d*|0)$/i;
const float = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:e[-+]?\d+)?$/i;
/** YAML 1.1 wants no digit in a number that has a point or an exponent. */
const digitless = /^[-+]?(?:\.(?:e[-+]?\d+)?|(?<=[-+])e[-+]?\d+)$/i;
/** `190:20:30` is a number to YAML 1.1. */
const base60 = /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/;
const time =
  /^\d{4}-\d{1,2}-\d{1,2}(?:(?:[Tt]|[ \t]+)\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?\s*(?:Z|[-+]\d{1,2}(?::?\d{2})?)?)?$/;

/** Nothing else is a number or a time. */
const numeric = /^[-+.\d][\d\w.:+ \t-]*$/;

/** Whether the text, without quotes, would be something else than text. */
function isOther(text: string): boolean {
  if (words.has(text)) return true;
  if (!numeric.test(text)) return false;
  const plain = text.replaceAll('_', '');
  return (
    whole.test(plain) || float.test(plain) || digitless.test(plain) || base60.test(text) || time.test(text)
  );
}

/** Breaks at a single blank once a line is longer than it should be. Quotes may not begin or end with one. */
function folded(text: string, indent: number, column: number, quoted = false): string {
  if (column + text.length <= bestWidth || !text.includes(' ')) return text;
  const lines: string[] = [];
  let from = 0;
  let at = column;
  for (let i = 0; i < text.length; i++) {
    const isLone = text[i] === ' ' && text[i - 1] !== ' ' && text[i + 1] !== ' ';
    const within = !quoted || (i > 0 && i < text.length - 1);
    if (isLone && within && at > bestWidth) {
      lines.push(text.slice(from, i));
      from = i + 1;
      at = indent;
    } else if (!isLowSurrogate(text.charCodeAt(i))) at += 1;
  }
  lines.push(text.slice(from));
  return lines.join(`\n${' '.repeat(indent)}`);
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

/** As a block behind `|`. Empty lines have no blanks. */
function literal(text: string, indent: number): string {
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const ends = /(\n*)$/.exec(text)![1]!.length;
  const chomp = ends === 0 ? '-' : ends > 1 || text === '\n' ? '+' : '';
  const blanks = ' '.repeat(indent);
  const lines = (ends > 0 ? text.slice(0, -1) : text).split('\n');
  return `|${hint}${chomp}\n${lines.map((line) => (line === '' ? '' : blanks + line)).join('\n')}`;
}

const escapes: Readonly<Record<string, string>> = {
  ...{
    '\0': '\\0',
    '\x07': '\\a',
    '\b': '\\b',
    '\t': '\\t',
    '\n': '\\n',
    '\v': '\\v',
    '\f': '\\f',
    '\r': '\\r',
  },
  ...{
    '\x1b': '\\e',
    '"': '\\"',
    '\\': '\\\\',
    '\x85': '\\N',
    '\xa0': '\\_',
    '\u2028': '\\L',
    '\u2029': '\\P',
  },
};

const byteOrderMark = '\ufeff';

function doubleQuoted(text: string, indent: number, column: number): string {
  const characters = Array.from(text);
  // go-yaml looks for the mark at the start of the text, whichever of its characters it writes.
  const isPlain = text.startsWith(byteOrderMark) ? () => false : isPlainInQuotes;
  let written = '"';
  let at = column;
  for (const [index, character] of characters.entries()) {
    const isEdge = index === 0 || index === characters.length - 1;
    const isBlank = character === ' ' && isPlain(character);
    if (isBlank && at > bestWidth && !isEdge && characters[index - 1] !== ' ') {
      // A line may not begin with a blank of its own without a backslash.
      const mark = characters[index + 1] === ' ' ? '\\' : '';
      written += `\n${' '.repeat(indent)}${mark}`;
      at = indent + mark.length;
    } else {
      const part = isPlain(character) ? character : (escapes[character] ?? escaped(character));
      written += part;
      at += part.length;
    }
  }
  return `${written}"`;
}

function isPlainInQuotes(character: string): boolean {
  return character !== '"' && character !== '\\' && character !== '\n' && !special.test(character);
}

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  const [letter, length]: [string, number] = code <= 0xff ? ['x', 2] : code <= 0xffff ? ['u', 4] : ['U', 8];
  return `\\${letter}${code.toString(16).toUpperCase().padStart(length, '0')}`;
}
