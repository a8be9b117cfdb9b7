import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { Context } from '../../../core/context.js';
import { FerryError } from '../../../core/errors.js';
import type { ScheduledSave, TimeOfDay } from '../../../snapshot/schedule/scheduled-save.js';
import {
  addRetentionOptions,
  retentionArguments,
  retentionPolicy,
  type RetentionFlags,
} from '../../options/retention.js';
import { runs, type CommandResult, type OutputOptions } from '../../run.js';
import { apart } from '../../words/table.js';
import { checkedSaveOptions, refuseOddWords } from '../../options/unattended.js';

interface ScheduleFlags extends RetentionFlags, OutputOptions {
  readonly systemd?: boolean;
  readonly cron?: boolean;
  readonly sensuCheck?: boolean;
  readonly at: string;
  readonly verify: boolean;
  readonly program?: string;
}

const example = '-- --endpoints https://etcd-1:2379 --to /var/backups/sensu';

export function addSchedule(snapshot: Command): void {
  const command = snapshot
    .command('schedule')
    .description(
      'print what saves, verifies and prunes snapshots every night: systemd units, a cron line, or Sensu checks',
    )
    .usage(`[options] ${example}`)
    .argument('<save options...>', 'options of snapshot save, behind --')
    .option('--systemd', 'a service and its timer')
    .option('--cron', 'a line for /etc/cron.d')
    .option('--sensu-check', 'checks for sensuctl create')
    .option('--at <time>', 'time of day, of the machine that runs it', '04:15')
    .option('--no-verify', 'do not read each snapshot back, as with credentials that may only write');
  addRetentionOptions(command)
    .option('--program <path>', 'this program, where it is to run; default: where it is now')
    .option('--json', 'print the result as one JSON document')
    .action(runs(schedule));
}

async function schedule(
  { report }: Context,
  flags: ScheduleFlags,
  save: readonly string[],
): Promise<CommandResult> {
  const plan: ScheduledSave = {
    program: programFrom(flags.program),
    save: await checkedSaveOptions(save, example),
    verify: flags.verify,
    keep: checkedKeepOptions(flags),
    at: timeOfDay(flags.at),
  };
  const files = await written(plan, flags);
  const { remarksOn } = await import('../../../snapshot/schedule/remarks.js');
  for (const remark of remarksOn(plan, existsSync)) report.warn(remark);
  return { lines: apart(files.map(describeFile)), json: { files } };
}

interface WrittenFile {
  readonly path: string;
  readonly text: string;
}

async function written(plan: ScheduledSave, flags: ScheduleFlags): Promise<readonly WrittenFile[]> {
  const { systemd, cron, sensuCheck } = flags;
  if ([systemd, cron, sensuCheck].filter(Boolean).length !== 1) {
    throw usage(
      'FORM_MISSING',
      'Exactly one of --systemd, --cron and --sensu-check is needed.',
      `For example: snapshot schedule --systemd ${example}`,
    );
  }
  if (systemd === true) {
    const { systemdUnits } = await import('../../../snapshot/schedule/systemd.js');
    return systemdUnits(plan).map(({ name, text }) => ({ path: `/etc/systemd/system/${name}`, text }));
  }
  if (cron === true) {
    const { cronLine } = await import('../../../snapshot/schedule/cron.js');
    return [{ path: '/etc/cron.d/sensu-ferry-snapshot', text: cronLine(plan) }];
  }
  const { sensuChecks } = await import('../../../snapshot/schedule/sensu-check.js');
  return [{ path: 'sensu-ferry-snapshot.yml', text: sensuChecks(plan) }];
}

const describeFile = ({ path, text }: WrittenFile): readonly string[] => [
  `# ${path}`,
  ...text.trimEnd().split('\n'),
];

function checkedKeepOptions(flags: RetentionFlags): readonly string[] {
  retentionPolicy(flags);
  return retentionArguments(flags);
}

/**
 * Cron finds programs in two folders only, and node need not be in them: then it is named, by its path.
 */
function programFrom(path: string | undefined): readonly string[] {
  if (path === undefined) {
    const node = ['/usr/bin', '/bin'].includes(dirname(process.execPath)) ? [] : [process.execPath];
    const program = [...node, resolve(process.argv[1]!)];
    refuseOddWords(program);
    return program;
  }
  if (isAbsolute(path) && /^[\w@%+=:,./ -]+$/.test(path)) return [path];
  throw usage(
    'PROGRAM_UNUSABLE',
    `--program ${JSON.stringify(path)} is no path from / on.`,
    'Give it whole.',
  );
}

function timeOfDay(text: string): TimeOfDay {
  const [, hour, minute] = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  if (hour === undefined) {
    throw usage(
      'TIME_UNUSABLE',
      `${JSON.stringify(text)} is not a time of day.`,
      'Use HH:MM, such as 04:15.',
    );
  }
  return { hour: Number(hour), minute: Number(minute) };
}

function usage(code: string, message: string, hint: string): FerryError {
  return new FerryError({ kind: 'usage', code, message, hint });
}
