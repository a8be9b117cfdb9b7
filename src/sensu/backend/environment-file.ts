import { FerryError } from '../../core/errors.js';

/** One assignment and where it stands in the text: from the start of its line to behind its line end. */
interface Assignment {
  readonly name: string;
  readonly value: string;
  /** Written as `export NAME=`, which a shell obeys and systemd passes over. */
  readonly exported: boolean;
  readonly start: number;
  readonly end: number;
}

export interface MergedEnvironment {
  readonly text: string;
  /** Names whose value is another than before. */
  readonly changed: readonly string[];
}

/** The variables of a systemd `EnvironmentFile`, the last assignment of a name winning. */
export function parseEnvironment(text: string): Map<string, string> {
  return valuesOf(assignmentsOf(text, 'goes on'));
}

/**
 * Sets variables and leaves every other line as it is. An assignment that is there is replaced in its place;
 * should there be several, the one that counted. Values are quoted so that systemd, and a shell that sources
 * the file as Sensu's SysV script does, read the same.
 * @throws FerryError `usage` for a value that no line of such a file can hold, and for a file that ends within a
 *   quote, which would swallow the line; no message shows a value
 */
export function mergeEnvironment(text: string, values: Readonly<Record<string, string>>): MergedEnvironment {
  if (text.includes('\ufffd')) throw notUtf8();
  const before = parseEnvironment(text);
  const names = Object.keys(values);
  const merged = names.reduce((current, name) => assign(current, name, values[name]!), text);
  return { text: merged, changed: names.filter((name) => before.get(name) !== values[name]) };
}

/** Takes every assignment of these variables out, and leaves all other lines as they are. */
export function withoutVariables(text: string, names: readonly string[]): string {
  return assignmentsOf(text, 'goes on')
    .filter(({ name }) => names.includes(name))
    .reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), text);
}

function assign(text: string, name: string, value: string): string {
  const line = `${name}=${quote(name, value)}\n`;
  const result = candidates(text, name, line).find((candidate) => readsBack(text, candidate, name, value));
  if (result === undefined) throw unmergeable(name);
  return result;
}

/** The line in its place, or else at the end, where a backslash before it may ask for an empty line between. */
function candidates(text: string, name: string, line: string): string[] {
  const there = assignmentsOf(text, 'goes on').filter((assignment) => assignment.name === name);
  const last = there.at(-1);
  if (last === undefined)
    return ['', '\n', '\n\n'].map((gap) => text + gap + line).slice(startsLine(text) ? 0 : 1);
  const replaced = text.slice(0, last.start) + line + text.slice(last.end);
  const lone = there
    .slice(0, -1)
    .reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), replaced);
  return [lone];
}

const startsLine = (text: string): boolean => text === '' || text.endsWith('\n');

/** Whether every release of systemd finds the value there, and all others as they were. */
function readsBack(before: string, after: string, name: string, value: string): boolean {
  return (['goes on', 'ends'] as const).every((comment) => {
    const wanted = valuesOf(assignmentsOf(before, comment)).set(name, value);
    const found = valuesOf(assignmentsOf(after, comment));
    return found.size === wanted.size && [...wanted].every(([key, text]) => found.get(key) === text);
  });
}

function valuesOf(assignments: readonly Assignment[]): Map<string, string> {
  return new Map(assignments.filter(({ exported }) => !exported).map(({ name, value }) => [name, value]));
}

/** U+FFFD is what a reader puts for bytes that are no UTF-8: written back, they would be lost. */
function notUtf8(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'ENVIRONMENT_FILE_UNUSABLE',
    message: 'The environment file is not UTF-8.',
    hint: 'Convert it, for example with iconv. Nothing was changed.',
  });
}

function unmergeable(name: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'ENVIRONMENT_FILE_UNUSABLE',
    message: `${name} cannot be set in the environment file: a quote in it is left open, or a backslash ends a line before it.`,
    hint: 'Mend that line. Nothing was changed.',
  });
}

/**
 * Double quotes, with a backslash before the four characters that a shell reads in them. systemd takes the
 * backslash from these four in every release; what it does with others, and inside single quotes, has changed
 * (env-file.c: SHELL_NEED_ESCAPE).
 */
function quote(name: string, value: string): string {
  // eslint-disable-next-line no-control-regex -- systemd drops a variable whose value has a control character
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value) || /\p{Surrogate}/u.test(value)) throw unwritable(name);
  return `"${value.replace(/["\\$`]/g, '\\$&')}"`;
}

function unwritable(name: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'ENVIRONMENT_VALUE_UNUSABLE',
    message: `The value for ${name} holds a line break or another control character, which no environment file can hold.`,
    hint: 'Use a password of printable characters.',
  });
}

/**
 * What a backslash at the end of a comment does to the next line: up to systemd 253 the comment `goes on` there,
 * from 254 on, and in a shell, it `ends`.
 */
type Comment = 'goes on' | 'ends';

/** Follows systemd's own reader (env-file.c: parse_env_file_internal), for which CR ends a line as LF does. */
function assignmentsOf(text: string, comment: Comment): Assignment[] {
  const assignments: Assignment[] = [];
  let at = 0;
  while (at < text.length) {
    const start = at;
    const head = /[ \t]*([^ \t\n\r#;][^=\n\r]*?)[ \t]*=/y;
    head.lastIndex = start;
    const match = head.exec(text);
    if (match === null) {
      at = endOfOther(text, start, comment);
      continue;
    }
    const { value, end } = readValue(text, head.lastIndex);
    at = end;
    const name = /^(export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)$/.exec(match[1]!);
    if (name !== null)
      assignments.push({ name: name[2]!, value, exported: name[1] !== undefined, start, end });
  }
  return assignments;
}

/** Of a comment, an empty line, or one that is no assignment. */
function endOfOther(text: string, start: number, comment: Comment): number {
  const goesOn = comment === 'goes on' && /^[ \t]*[#;]/.test(text.slice(start, endOfLine(text, start)));
  let end = endOfLine(text, start);
  while (goesOn && end < text.length && endsOpen(text.slice(start, end))) end = endOfLine(text, end);
  return end;
}

/** With a backslash that is not itself behind one; before CR LF it takes in the CR alone. */
const endsOpen = (comment: string): boolean => /(?<!\\)(?:\\\\)*\\[\n\r]$/.test(comment);

/** Behind the line end, of which CR LF is one. */
function endOfLine(text: string, from: number): number {
  const lineEnd = /\r\n|[\n\r]/g;
  lineEnd.lastIndex = from;
  return lineEnd.test(text) ? lineEnd.lastIndex : text.length;
}

interface ReadPart {
  readonly value: string;
  /** Behind the part. */
  readonly end: number;
}

/** Quoted parts come first, and the blanks between them do not count; in what follows a quote stands for itself. */
function readValue(text: string, from: number): ReadPart {
  let value = '';
  let at = from;
  for (;;) {
    while (text[at] === ' ' || text[at] === '\t') at += 1;
    if (text[at] !== '"' && text[at] !== "'") break;
    const quoted = readQuoted(text, at);
    value += quoted.value;
    at = quoted.end;
  }
  const rest = readUnquoted(text, at);
  return { value: value + rest.value, end: rest.end };
}

/** To behind the line end. A backslash makes a blank at the end count, and a line end not. */
function readUnquoted(text: string, from: number): ReadPart {
  let value = '';
  let kept = 0;
  let at = from;
  for (; at < text.length && !/[\n\r]/.test(text[at]!); at += 1) {
    const escaped = text[at] === '\\';
    if (escaped) at += 1;
    const character = text[at] ?? '';
    if (!escaped || !/[\n\r]/.test(character)) value += character;
    if (escaped || !/[ \t]/.test(character)) kept = value.length;
  }
  return { value: value.slice(0, kept), end: endOfLine(text, Math.min(at, text.length)) };
}

/** From an opening quote to behind the closing one; quotes may hold line ends. */
function readQuoted(text: string, from: number): ReadPart {
  const mark = text[from]!;
  let value = '';
  let at = from + 1;
  while (at < text.length && text[at] !== mark) {
    if (mark === '"' && text[at] === '\\') {
      const next = text[at + 1] ?? '';
      value += next === '\n' || next === '' ? '' : /["\\$`]/.test(next) ? next : `\\${next}`;
      at += 2;
    } else {
      value += text[at]!;
      at += 1;
    }
  }
  return { value, end: Math.min(at + 1, text.length) };
}
