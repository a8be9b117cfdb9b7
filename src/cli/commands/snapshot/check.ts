import type { Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { parseDuration } from '../../../core/duration.js';
import { FerryError } from '../../../core/errors.js';
import type { AgeVerdict } from '../../../snapshot/keep/age-check.js';
import { PluginState } from '../../exit-codes.js';
import { addTimeoutOption, runs, type CommandResult, type OutputOptions } from '../../run.js';
import { addStorageOptions, openStorageFrom, type StorageFlags } from '../../options/storage.js';

interface CheckFlags extends StorageFlags, OutputOptions {
  readonly maxAge: string;
  readonly requireVerified?: boolean;
}

/** Before a monitoring system ends it, which would tell less. */
const usualTimeout = '50s';

export function addCheck(snapshot: Command): void {
  const command = snapshot
    .command('check')
    .description('tell a monitoring system how old the newest snapshot is; exits 0, 1, 2 or 3 as plugins do')
    .argument('<location>', 'DIR or s3://bucket/prefix, as in save --to')
    .option('--max-age <duration>', 'older than this is critical', '26h')
    .option('--require-verified', 'count only what snapshot verify has found to be good')
    .option('--json', 'print the result as one JSON document');
  addTimeoutOption(addStorageOptions(command), usualTimeout).action(runs(check, { around: asPlugin }));
}

async function check(
  context: Context,
  flags: CheckFlags,
  [location]: readonly string[],
): Promise<CommandResult> {
  const maxAge = parseDuration(flags.maxAge, '--max-age');
  const { checkAge } = await import('../../../snapshot/keep/age-check.js');
  const storage = await openStorageFrom(location!, flags, context);
  const limits = { maxAge, requireVerified: flags.requireVerified === true };
  const verdict = await checkAge(context, storage, limits);
  const { state, sentence } = verdict;
  const lines = [`${line(state, sentence)} | ${perfdata(verdict, maxAge)}`];
  return { lines, json: verdictJson(verdict), exit: PluginState[state] };
}

/** The codes of docs/exit-codes.md would tell a monitoring system something else. */
async function asPlugin(
  { signal }: Context,
  _flags: CheckFlags,
  work: () => Promise<CommandResult>,
): Promise<CommandResult> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } =
      error instanceof FerryError ? error : { code: 'UNEXPECTED', message: String(error) };
    const lines = [line('UNKNOWN', `${message} [${code}]`)];
    return { lines, json: { state: 'UNKNOWN', error: { code, message } }, exit: PluginState.UNKNOWN };
  }
}

/** Without what would end its text: names of files are in it. */
function line(state: keyof typeof PluginState, sentence: string): string {
  return `SNAPSHOT ${state} - ${sentence.replaceAll('|', '/')}`;
}

/** `label=value[unit];warn;crit` as the guidelines for monitoring plugins have it. */
function perfdata({ age, count, newest }: AgeVerdict, maxAge: number): string {
  return [
    ...(age === undefined ? [] : [`age=${Math.round(age / 1000)}s;;${maxAge / 1000};0`]),
    ...(newest === undefined ? [] : [`size=${newest.storedSize}B;;;0`]),
    `snapshots=${count};;;0`,
  ].join(' ');
}

function verdictJson({ state, sentence, age, count, newest }: AgeVerdict): object {
  return {
    state,
    sentence,
    ageSeconds: age === undefined ? null : age / 1000,
    count,
    newest: newest ?? null,
  };
}
