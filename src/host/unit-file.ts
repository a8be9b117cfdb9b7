import type { ProcessRunner } from '../core/context.js';

/** What a unit gives to the backend that it starts. */
export interface UnitSettings {
  /** Words of the command behind the program, such as `start -c /etc/sensu/backend.yml`. */
  readonly flags: readonly string[];
  /** Paths in the order in which systemd reads them: a later file wins. */
  readonly environmentFiles: readonly string[];
  /** `Environment=` of the unit, which the files outrank. */
  readonly environment: Readonly<Record<string, string>>;
}

export const noUnit: UnitSettings = { flags: [], environmentFiles: [], environment: {} };

/** Asks systemd for the unit and its drop-ins. Without systemd, or without the unit, there is nothing. */
export async function readUnit(processes: ProcessRunner, unit = 'sensu-backend'): Promise<UnitSettings> {
  try {
    const { exitCode, stdout } = await processes.run('systemctl', ['cat', unit], { timeoutMs: 5000 });
    return exitCode === 0 ? parseUnit(stdout) : noUnit;
  } catch {
    return noUnit;
  }
}

/** Reads what `systemctl cat` prints: the unit, then its drop-ins, in the order in which they count. */
export function parseUnit(text: string): UnitSettings {
  let flags: readonly string[] = [];
  let environmentFiles: string[] = [];
  let environment: Record<string, string> = {};
  for (const [name, value] of serviceSettings(text)) {
    // An empty assignment takes back what came before, as drop-ins do it.
    if (name === 'ExecStart') flags = splitWords(value).slice(1);
    else if (name === 'EnvironmentFile') {
      environmentFiles = value === '' ? [] : [...environmentFiles, value.replace(/^-/, '')];
    } else if (name === 'Environment') {
      environment = value === '' ? {} : { ...environment, ...assignments(splitWords(value)) };
    }
  }
  return { flags, environmentFiles, environment };
}

function serviceSettings(text: string): [name: string, value: string][] {
  const settings: [string, string][] = [];
  let section = '';
  for (const line of logicalLines(text)) {
    section = /^\s*\[(.+)\]\s*$/.exec(line)?.[1] ?? section;
    const setting = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line);
    if (section === 'Service' && setting !== null) settings.push([setting[1]!, setting[2]!]);
  }
  return settings;
}

/** Comments go first: one may stand between a line that ends with a backslash and the line that goes on with it. */
function logicalLines(text: string): string[] {
  const lines = text.split(/\r?\n/).filter((line) => !/^\s*[#;]/.test(line));
  return lines.join('\n').replace(/\\\n/g, ' ').split('\n');
}

function assignments(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.flatMap((word) => {
      const equals = word.indexOf('=');
      return equals > 0 ? [[word.slice(0, equals), word.slice(equals + 1)]] : [];
    }),
  );
}

/** Splits as systemd does: white space, both kinds of quotes, backslashes. Specifiers stay as they are. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  const word = /\s*((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\])+)/gy;
  for (let match = word.exec(text); match !== null; match = word.exec(text)) words.push(unquote(match[1]!));
  return words;
}

function unquote(word: string): string {
  return word.replace(
    /"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|\\(.)/g,
    (_all, double?: string, single?: string, escaped?: string) =>
      (double ?? single ?? escaped ?? '').replace(/\\(.)/g, '$1'),
  );
}
