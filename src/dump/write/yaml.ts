import {
  isApiList,
  isApiObject,
  type ApiObject,
  type ApiResource,
  type ApiValue,
} from '../../sensu/resources/api-value.js';
import { yamlKey, yamlText } from './yaml-scalar.js';

/** A resource as a YAML document, as sensuctl writes it, without the line that sets it apart from others. */
export function yamlDocument({ type, apiVersion, metadata, spec }: ApiResource): string {
  const lines = new YamlLines();
  lines.entry('type', type, 0);
  lines.entry('api_version', apiVersion, 0);
  lines.entry('metadata', metadata, 0);
  lines.entry('spec', spec, 0);
  return lines.text;
}

/** Longer keys need a line of their own: more no reader has to look ahead. */
const longestKey = 128;

const blankTexts = Array.from({ length: 40 }, (_, length) => ' '.repeat(length));

function blanksOf(indent: number): string {
  return blankTexts[indent] ?? ' '.repeat(indent);
}

class YamlLines {
  text = '';

  /** A key and its value, from the start of a line, which is at the indent or behind a dash. */
  entry(name: string, value: ApiValue, indent: number): void {
    const key = keyText(name);
    if (name.length > longestKey / 3 && Buffer.byteLength(name) > longestKey)
      this.#longKey(name, value, indent);
    else {
      this.text += `${key}:`;
      this.#value(value, indent, indent + key.length + 1);
    }
  }

  #longKey(name: string, value: ApiValue, indent: number): void {
    this.text += `? ${yamlText(name, indent + 2, indent + 2)}\n${' '.repeat(indent)}:`;
    this.#value(value, indent, indent + 1);
  }

  /** From behind a colon, at the column, to the end of the line. */
  #value(value: ApiValue, indent: number, column: number): void {
    if (isApiList(value) && value.length > 0) {
      this.text += '\n';
      this.#list(value, indent);
    } else if (isApiObject(value) && !isEmptyObject(value)) {
      this.text += '\n';
      this.#object(value, indent + 2, true);
    } else this.text += ` ${scalar(value, indent + 2, column + 1)}\n`;
  }

  /** Lists stand no deeper than the key that they belong to. */
  #list(list: readonly ApiValue[], indent: number): void {
    const blanks = blanksOf(indent);
    for (const item of list) {
      this.text += `${blanks}-`;
      this.#item(item, indent);
    }
  }

  #item(item: ApiValue, indent: number): void {
    if (isApiList(item) && item.length > 0) {
      // A list in a list begins on the line of its dash.
      const [first, ...rest] = item;
      this.text += ' -';
      this.#item(first!, indent + 2);
      this.#list(rest, indent + 2);
    } else if (isApiObject(item) && !isEmptyObject(item)) {
      this.text += ' ';
      this.#object(item, indent + 2, false);
    } else this.text += ` ${scalar(item, indent + 2, indent + 2)}\n`;
  }

  #object(object: ApiObject, indent: number, indentFirst: boolean): void {
    const blanks = blanksOf(indent);
    let isFirst = true;
    for (const name of sortedNames(object)) {
      if (!isFirst || indentFirst) this.text += blanks;
      isFirst = false;
      this.entry(name, object[name]!, indent);
    }
  }
}

function scalar(value: ApiValue, indent: number, column: number): string {
  if (typeof value === 'string') return yamlText(value, indent, column);
  if (typeof value === 'number') return yamlNumber(value);
  if (isApiList(value)) return '[]';
  return typeof value === 'object' && value !== null ? '{}' : String(value);
}

/** As Go prints numbers: whole ones in full, others at their shortest, with an exponent from a million on. */
function yamlNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 63) return String(BigInt(value));
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** Names repeat in every resource. */
const keys = new Map<string, string>();
const mostKeys = 10_000;

function keyText(name: string): string {
  let text = keys.get(name);
  if (text === undefined) {
    text = yamlKey(name);
    if (keys.size < mostKeys) keys.set(name, text);
  }
  return text;
}

function isEmptyObject(object: ApiObject): boolean {
  for (const _name in object) return false;
  return true;
}

function sortedNames(object: ApiObject): string[] {
  const names = Object.keys(object);
  for (let i = 1; i < names.length; i++) {
    if (compareNatural(names[i - 1]!, names[i]!) > 0) return names.sort(compareNatural);
  }
  return names;
}

const letter = /\p{L}/u;
const digit = /\d/;

/** go-yaml's order of keys: letters last, runs of digits by their number. */
export function compareNatural(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i += 1;
  if (i === length) return a.length - b.length;
  const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
  if (isLowerCase(x) && isLowerCase(y)) return x - y;
  return compareFrom(Array.from(a), Array.from(b));
}

function isLowerCase(code: number): boolean {
  return code >= 0x61 && code <= 0x7a;
}

function compareFrom(a: readonly string[], b: readonly string[]): number {
  const i = a.findIndex((character, index) => character !== b[index]);
  const [x, y] = [a[i], b[i]];
  if (x === undefined || y === undefined) return a.length - b.length;
  const [xIsLetter, yIsLetter] = [letter.test(x), letter.test(y)];
  if (xIsLetter !== yIsLetter) return yIsLetter ? -1 : 1;
  if (!xIsLetter) {
    const order = compareDigits(a, b, i);
    if (order !== 0) return order;
  }
  return x.codePointAt(0)! - y.codePointAt(0)!;
}

/** By the numbers that begin here; leading zeros count only behind other digits. */
function compareDigits(a: readonly string[], b: readonly string[], from: number): number {
  let start = 0n;
  if (a[from] === '0' || b[from] === '0') {
    for (let j = from - 1; j >= 0 && digit.test(a[j]!); j--) if (a[j] !== '0') start = 1n;
  }
  const [x, y] = [numberAt(a, from, start), numberAt(b, from, start)];
  if (x.value !== y.value) return x.value < y.value ? -1 : 1;
  return x.end - y.end;
}

function numberAt(text: readonly string[], from: number, start: bigint): { value: bigint; end: number } {
  let value = start;
  let end = from;
  for (; end < text.length && digit.test(text[end]!); end++) value = value * 10n + BigInt(text[end]!);
  return { value, end };
}
