import { definitions } from './backend-settings.js';
import { splitWords } from '../../host/unit-file.js';

/** Flags of `sensu-backend start` that take no value behind a blank, beside those of `definitions`. */
const switches = new Set([
  ...['debug', 'disable-platform-metrics', 'etcd-client-cert-auth', 'etcd-peer-client-cert-auth'],
  ...['etcd-unsafe-no-fsync', 'event-log-parallel-encoders', 'help', 'insecure-skip-tls-verify'],
  ...['log-millisecond-timestamps', 'require-fips', 'require-openssl'],
]);

const shorthands: Readonly<Record<string, string>> = { c: 'config-file', d: 'state-dir', h: 'help' };

/** Every value that a flag was given, by its long name and in order; `true` for a switch. */
export type Flags = ReadonlyMap<string, readonly string[]>;

/** Reads the words behind the program as pflag does. What is no flag, such as `start`, is passed over. */
export function parseFlags(words: readonly string[]): Flags {
  const flags = new Map<string, string[]>();
  for (let index = 0; index < words.length && words[index] !== '--'; index += 1) {
    const flag = splitFlag(words[index]!);
    if (flag === undefined) continue;
    let { value } = flag;
    if (value === undefined && isSwitch(flag.name, words[index + 1])) value = 'true';
    if (value === undefined) value = words[(index += 1)] ?? '';
    flags.set(flag.name, [...(flags.get(flag.name) ?? []), value]);
  }
  return flags;
}

/** `--name`, `--name=value`, `-d`, `-d=value`, `-dvalue`. */
function splitFlag(word: string): { readonly name: string; readonly value: string | undefined } | undefined {
  const long = /^--([^=]+)(?:=(.*))?$/s.exec(word);
  if (long !== null) return { name: long[1]!, value: long[2] };
  const short = /^-([cdh])(?:=?(.+))?$/s.exec(word);
  return short === null ? undefined : { name: shorthands[short[1]!]!, value: short[2] };
}

/** A flag of a release that is not known here is one when another flag follows: few values start with two dashes. */
function isSwitch(name: string, next: string | undefined): boolean {
  const known = Object.entries(definitions).find(([setting]) => setting === name)?.[1];
  if (known !== undefined) return known.kind === 'boolean';
  return switches.has(name) || (name !== 'config-file' && next?.startsWith('--') === true);
}

/**
 * Puts variables into the words of an `ExecStart=` as systemd does: `$NAME` that is a word of its own becomes as
 * many words as there are in it, `${NAME}` stays within its word, `$$` is a dollar.
 */
export function expandVariables(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
): string[] {
  const valueOf = (name: string): string => (Object.hasOwn(environment, name) ? environment[name]! : '');
  return words.flatMap((word) => {
    const alone = /^\$([A-Za-z_]\w*)$/.exec(word)?.[1];
    if (alone !== undefined) return splitWords(valueOf(alone));
    return [
      word.replace(/\$\$|\$\{([A-Za-z_]\w*)\}/g, (_all, name?: string) =>
        name === undefined ? '$' : valueOf(name),
      ),
    ];
  });
}
