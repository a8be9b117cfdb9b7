import { Command, CommanderError } from 'commander';
import { isAbsolute, resolve } from 'node:path';
import { parseDuration } from '../../core/duration.js';
import { FerryError } from '../../core/errors.js';
import { printable } from '../../core/printable.js';
import { isInBucket } from '../../storage/location.js';
import type { Encryption } from '../../age/encryption.js';
import { refuseEmpty } from '../empty-options.js';
import { refuseUnverifiable } from '../save-verified.js';
import { addSave } from '../commands/snapshot/save.js';

/** Options of `snapshot save` that name files or folders of the machine that it runs on. */
const pathOptions = {
  to: '--to',
  textfile: '--textfile',
  cacert: '--cacert',
  cert: '--cert',
  key: '--key',
  passwordFile: '--password-file',
  passphraseFile: '--passphrase-file',
} as const;

interface SaveValues extends Partial<Record<keyof typeof pathOptions, string | readonly string[]>> {
  readonly to?: string;
  readonly endpoints?: readonly string[];
  readonly dataDir?: readonly string[];
  readonly recipient?: readonly string[];
  readonly user?: string;
  readonly s3Endpoint?: string;
  readonly timeout?: string;
  readonly verify?: boolean;
  readonly json?: boolean;
  readonly progress?: string;
}

/**
 * Options of a `snapshot save` that nobody watches, as they were given. What is wrong with them must not come to
 * light in the middle of the night: nobody answers a prompt, there is no folder to start from, and neither a
 * unit nor a crontab is a place for a secret.
 * @param example For hints.
 * @throws FerryError (`usage`)
 */
export async function checkedSaveOptions(
  args: readonly string[],
  example: string,
): Promise<readonly string[]> {
  refuseOddWords(args);
  const values = valuesOf(args, example);
  refuseSecrets(values);
  refusePrompts(values);
  refuseUnverifiable(values, encryptionOf(values));
  await checkDestination(values, example);
  for (const [name, option] of Object.entries(pathOptions) as [keyof typeof pathOptions, string][]) {
    for (const path of [values[name] ?? []].flat()) refuseRelative(option, path);
  }
  if (values.timeout !== undefined) parseDuration(values.timeout, '--timeout');
  // The backend runs at night.
  if (values.dataDir !== undefined) {
    throw usage('SCHEDULE_OF_STOPPED', 'snapshot save --data-dir is for a backend that is stopped.', example);
  }
  if (values.endpoints === undefined) {
    throw usage('ENDPOINTS_MISSING', 'Among the options of snapshot save there is no --endpoints.', example);
  }
  return args;
}

/**
 * A line break ends a line of a unit and of a crontab, and `{{ }}` is what Sensu replaces in commands. What is not
 * printed as it is would be another word in what is printed.
 * @throws FerryError WORD_UNUSABLE (`usage`)
 */
export function refuseOddWords(words: readonly string[]): void {
  const odd = words.find((word) => printable(word) !== word || word.includes('{{'));
  if (odd === undefined) return;
  throw usage(
    'WORD_UNUSABLE',
    `The word ${JSON.stringify(odd)} cannot be scheduled.`,
    'Leave out control characters, characters that are not visible, and {{.',
  );
}

function valuesOf(args: readonly string[], example: string): SaveValues {
  const scratch = new Command('snapshot');
  addSave(scratch);
  const save = scratch.commands[0]!.exitOverride().configureOutput({ writeErr: () => undefined });
  const { unknown, operands } = parsed(save, args, example);
  const stray = unknown[0] ?? operands[0];
  if (stray !== undefined) {
    throw usage('SAVE_OPTION_UNKNOWN', `snapshot save knows no ${stray}.`, `For example: ${example}`);
  }
  refuseEmpty(save);
  return save.opts<SaveValues>();
}

function parsed(
  save: Command,
  args: readonly string[],
  example: string,
): ReturnType<Command['parseOptions']> {
  try {
    return save.parseOptions([...args]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const fault = error.message.replace(/^error: /, '');
    throw usage(
      'SAVE_OPTION_UNUSABLE',
      `snapshot save takes no such option: ${fault}.`,
      `For example: ${example}`,
    );
  }
}

function encryptionOf({ recipient: [first, ...others] = [] }: SaveValues): Encryption | undefined {
  return first === undefined ? undefined : { recipients: [first, ...others] };
}

function refuseSecrets({ user, endpoints = [], s3Endpoint = '', recipient = [] }: SaveValues): void {
  const urls = [...endpoints, s3Endpoint];
  const isSecret = [
    user?.includes(':') === true,
    urls.some((url) => /^[^/]*\/\/[^/]*@/.test(url)),
    recipient.some((key) => /^AGE-SECRET-KEY-/i.test(key)),
  ];
  if (!isSecret.includes(true)) return;
  throw usage(
    'SECRET_IN_ARGUMENTS',
    'There is a password or a secret key among the options of snapshot save, where every user of the machine sees it.',
    'Use --user NAME with --password-file, and the public key, age1..., as --recipient.',
  );
}

function refusePrompts({ passwordFile, passphraseFile, json, progress }: SaveValues): void {
  if (passwordFile === '-' || passphraseFile === '-') {
    const option = passwordFile === '-' ? '--password-file' : '--passphrase-file';
    throw usage(
      'NOBODY_TO_ASK',
      `${option} - reads standard input, which nobody writes to at night.`,
      'Name a file.',
    );
  }
  if (json === true || progress === 'json') {
    const hint = 'Leave it out: what runs at night says nothing unless something is wrong.';
    throw usage('SAVE_OPTION_UNUSABLE', 'Nobody reads what --json and --progress print at night.', hint);
  }
}

function refuseRelative(option: string, path: string): void {
  if (isAbsolute(path) || (option === '--to' && (path === '-' || isInBucket(path)))) return;
  throw usage(
    'PATH_RELATIVE',
    `${option} ${JSON.stringify(path)} is no path from / on, and it is run from another folder than this.`,
    `From here it is ${resolve(path)}.`,
  );
}

async function checkDestination({ to }: SaveValues, example: string): Promise<void> {
  if (to === undefined) {
    throw usage('DESTINATION_MISSING', 'Among the options of snapshot save there is no --to.', example);
  }
  const { parseLocation } = await import('../../storage/location.js');
  if (parseLocation(to).kind !== 'standard-output') return;
  throw usage(
    'DESTINATION_MISSING',
    '--to - leads nowhere at night.',
    'Give a folder or s3://bucket/prefix.',
  );
}

function usage(code: string, message: string, hint: string): FerryError {
  return new FerryError({ kind: 'usage', code, message, hint });
}
