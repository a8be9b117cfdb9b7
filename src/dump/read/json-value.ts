import { deepest, wholeNumber, type DumpValue } from './dump-value.js';
import { TextFault } from './place.js';

/**
 * Reads one JSON value, strictly: what JSON.parse refuses is refused. Unlike it, this keeps every digit of whole
 * numbers, refuses a key that is there twice, and says in which line a fault is, without quoting the text.
 * @throws TextFault
 */
export function parseJson(text: string): DumpValue {
  const reader = new JsonReader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

const numberForm = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/y;
// eslint-disable-next-line no-control-regex
const needsCare = /[\u0000-\u001f\\]/;
const words: Readonly<Record<string, [string, DumpValue]>> = {
  t: ['true', true],
  f: ['false', false],
  n: ['null', null],
};

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): DumpValue {
    if (depth > deepest) throw this.#fault(`it is nested more than ${deepest} levels deep`);
    const first = this.#next();
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#list(depth);
    if (first === '"') return this.#string();
    const word = words[first];
    if (word !== undefined) return this.#word(...word);
    return this.#number();
  }

  end(): void {
    if (this.#next() !== '') throw this.#fault('something stands behind the value');
  }

  #object(depth: number): DumpValue {
    const object: Record<string, DumpValue> = {};
    this.#at += 1;
    if (this.#next() === '}') {
      this.#at += 1;
      return object;
    }
    for (;;) {
      if (this.#next() !== '"') throw this.#fault('a key must stand here, in double quotes');
      const key = this.#string();
      if (Object.hasOwn(object, key)) throw this.#fault('a key is there twice');
      if (this.#next() !== ':') throw this.#fault('a colon must stand here');
      this.#at += 1;
      setOwn(object, key, this.value(depth + 1));
      if (!this.#goesOn('}')) return object;
    }
  }

  #list(depth: number): DumpValue {
    const items: DumpValue[] = [];
    this.#at += 1;
    if (this.#next() === ']') {
      this.#at += 1;
      return items;
    }
    do items.push(this.value(depth + 1));
    while (this.#goesOn(']'));
    return items;
  }

  /** Whether a comma follows; otherwise it must be the end. */
  #goesOn(end: string): boolean {
    const next = this.#next();
    if (next !== ',' && next !== end) throw this.#fault(`a comma or ${end} must stand here`);
    this.#at += 1;
    return next === ',';
  }

  #string(): string {
    const start = this.#at;
    let end = start;
    do end = this.#text.indexOf('"', end + 1);
    while (end !== -1 && isEscaped(this.#text, end));
    if (end === -1) throw this.#fault('a text is not closed');
    const content = this.#text.slice(start + 1, end);
    // Most texts have neither escapes nor control characters, which must be escaped.
    const text = needsCare.test(content) ? unescape(this.#text.slice(start, end + 1)) : content;
    if (text === undefined) throw this.#fault('a text is broken');
    this.#at = end + 1;
    return text;
  }

  #word(word: string, value: DumpValue): DumpValue {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fault('a value must stand here');
    this.#at += word.length;
    return value;
  }

  #number(): number | bigint {
    numberForm.lastIndex = this.#at;
    const found = numberForm.exec(this.#text);
    if (found === null) throw this.#fault('a value must stand here');
    const [digits, fraction, exponent] = found;
    const number = fraction === undefined && exponent === undefined ? wholeNumber(digits) : Number(digits);
    if (number === Infinity || number === -Infinity) throw this.#fault('a number is too large');
    this.#at = numberForm.lastIndex;
    return number;
  }

  /** The next character that is no blank; empty at the end. */
  #next(): string {
    for (; this.#at < this.#text.length; this.#at += 1) {
      const character = this.#text[this.#at]!;
      if (character !== ' ' && character !== '\n' && character !== '\r' && character !== '\t')
        return character;
    }
    return '';
  }

  #fault(fault: string): TextFault {
    const isEnd = this.#at >= this.#text.length;
    const line = this.#text.slice(0, this.#at).split('\n').length - 1;
    return new TextFault({ code: 'DUMP_NOT_JSON', fault: isEnd ? 'the JSON is cut short' : fault }, line);
  }
}

function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text[first - 1] === '\\') first -= 1;
  return (at - first) % 2 === 1;
}

function unescape(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}

/** `__proto__` is a key like any other. */
export function setOwn(object: Record<string, DumpValue>, key: string, value: DumpValue): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else object[key] = value;
}
