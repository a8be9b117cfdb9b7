import type { Command } from 'commander';
import { parseDuration } from '../../core/duration.js';
import { FerryError } from '../../core/errors.js';
import type { RetentionPolicy } from '../../snapshot/keep/retention.js';

export interface RetentionFlags {
  readonly keepLast?: string;
  readonly keepDaily?: string;
  readonly keepWeekly?: string;
  readonly keepMonthly?: string;
  readonly keepWithin?: string;
}

export function addRetentionOptions(command: Command): Command {
  return command
    .option('--keep-last <n>', 'keep the newest so many')
    .option('--keep-daily <n>', 'keep the newest of each of so many days')
    .option('--keep-weekly <n>', 'keep the newest of each of so many weeks')
    .option('--keep-monthly <n>', 'keep the newest of each of so many months')
    .option('--keep-within <duration>', 'keep the newest and all that are up to so much older, such as 30d');
}

/** Empty when no option is given. */
export function retentionPolicy(flags: RetentionFlags): RetentionPolicy {
  const { keepLast, keepDaily, keepWeekly, keepMonthly, keepWithin } = flags;
  return {
    ...(keepLast !== undefined && { last: count(keepLast, '--keep-last') }),
    ...(keepDaily !== undefined && { daily: count(keepDaily, '--keep-daily') }),
    ...(keepWeekly !== undefined && { weekly: count(keepWeekly, '--keep-weekly') }),
    ...(keepMonthly !== undefined && { monthly: count(keepMonthly, '--keep-monthly') }),
    ...(keepWithin !== undefined && { within: parseDuration(keepWithin, '--keep-within') }),
  };
}

/** The same options as they were given, for a command line that runs later. */
export function retentionArguments(flags: RetentionFlags): readonly string[] {
  const given = {
    '--keep-last': flags.keepLast,
    '--keep-daily': flags.keepDaily,
    '--keep-weekly': flags.keepWeekly,
    '--keep-monthly': flags.keepMonthly,
    '--keep-within': flags.keepWithin,
  };
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
}

function count(text: string, option: string): number {
  const value = Number(text);
  if (/^\d{1,6}$/.test(text) && value > 0) return value;
  throw new FerryError({
    kind: 'usage',
    code: 'COUNT_UNUSABLE',
    message: `${option} ${JSON.stringify(text)} is no number of snapshots to keep.`,
    hint: 'Use a whole number from 1 on.',
  });
}
