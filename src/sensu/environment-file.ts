import { FerryError } from '../core/errors.js';

/** One assignment and where it stands in the text: from the start of its line to behind its line end. */
interface Assignment {
  readonly name: string;
  readonly value: string;
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
  return new Map(assignmentsOf(text).map(({ name, value }) => [name, value]));
}

/**
 * Sets variables and leaves every other line as it is. An assignment that is there is replaced in its place;
 * should there be several, the one that counted. Values are quoted so that systemd, and a shell that sources
 * the file as Sensu's SysV script does, read the same.
 * @throws FerryError `usage` for a value that no line of such a file can hold; the message does not show it
 */
export function mergeEnvironment(text: string, values: Readonly<Record<string, string>>): MergedEnvironment {
  const before = parseEnvironment(text);
  const names = Object.keys(values);
  const merged = names.reduce((current, name) => assign(current, name, values[name]!), text);
  return { text: merged, changed: names.filter((name) => before.get(name) !== values[name]) };
}

function assign(text: string, name: string, value: string): string {
  const line = `${name}=${quote(name, value)}\n`;
  const there = assignmentsOf(text).filter((assignment) => assignment.name === name);
  const last = there.at(-1);
  if (last === undefined) return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}`;
  const replaced = text.slice(0, last.start) + line + text.slice(last.end);
  return there
    .slice(0, -1)
    .reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), replaced);
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

/** Follows systemd's own reader (`parse_env_file_internal`), and takes `export NAME=` for an assignment, as a shell does. */
function assignmentsOf(text: string): Assignment[] {
  const assignments: Assignment[] = [];
  let at = 0;
  while (at < text.length) {
    const start = at;
    const head = /[ \t\r]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=/y;
    head.lastIndex = start;
    const match = head.exec(text);
    if (match === null) {
      at = endOfOther(text, start);
      continue;
    }
    const { value, end } = readValue(text, head.lastIndex);
    assignments.push({ name: match[1]!, value, start, end });
    at = end;
  }
  return assignments;
}

/** Of a comment, an empty line, or one that is no assignment: a comment goes on behind a backslash. */
function endOfOther(text: string, start: number): number {
  const isComment = /^[ \t\r]*[#;]/.test(text.slice(start, start + 256));
  let end = text.indexOf('\n', start);
  while (isComment && end > start && text[end - 1] === '\\') end = text.indexOf('\n', end + 1);
  return end < 0 ? text.length : end + 1;
}

interface ReadValue {
  readonly value: string;
  /** Behind the line end. */
  readonly end: number;
}

function readValue(text: string, from: number): ReadValue {
  let value = '';
  /** Length of the value up to its last character that is not unquoted white space. */
  let kept = 0;
  let at = from;
  while (at < text.length && text[at] !== '\n') {
    const character = text[at]!;
    if (character === '"' || character === "'") {
      const quoted = readQuoted(text, at);
      value += quoted.value;
      kept = value.length;
      at = quoted.end;
    } else if (character === '\\') {
      if (text[at + 1] !== '\n') value += text[at + 1] ?? '';
      kept = value.length;
      at += 2;
    } else {
      if (!/\s/.test(character)) kept = value.length + 1;
      if (value !== '' || !/\s/.test(character)) value += character;
      at += 1;
    }
  }
  return { value: value.slice(0, kept), end: Math.min(at + 1, text.length) };
}

/** From an opening quote to behind the closing one; quotes may hold line ends. */
function readQuoted(text: string, from: number): ReadValue {
  const mark = text[from]!;
  let value = '';
  let at = from + 1;
  while (at < text.length && text[at] !== mark) {
    if (mark === '"' && text[at] === '\\') {
      const next = text[at + 1] ?? '';
      value += next === '\n' ? '' : /["\\$`]/.test(next) ? next : `\\${next}`;
      at += 2;
    } else {
      value += text[at]!;
      at += 1;
    }
  }
  return { value, end: at + 1 };
}
