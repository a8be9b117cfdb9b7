import { stringify } from 'yaml';
import { shellQuote } from './cron.js';
import {
  commandsOf,
  destinationOf,
  isDirectory,
  longestRun,
  optionValue,
  placeOptions,
  secretFileOptions,
  type ScheduledSave,
} from './scheduled-save.js';

const subscription = 'sensu-backend';

/**
 * Two checks for `sensuctl create`: one that takes the snapshot, and one that looks how old the newest is, so
 * that an agent which does not run the first is noticed too. Neither name begins with the other: Sensu can show the
 * history of `name-more` for that of `name`.
 */
export function sensuChecks(schedule: ScheduledSave): string {
  const { at, program, save } = schedule;
  const age = [...program, 'snapshot', 'check', destinationOf(save)!, ...placeOptions(save)];
  const documents = [
    check('sensu-ferry-save', {
      command: withPluginExit(commandsOf(schedule).map(commandLine).join(' && ')),
      cron: `${at.minute} ${at.hour} * * *`,
      timeout: longestRun(save),
    }),
    check('sensu-ferry-age', {
      command: commandLine([...age, '--max-age', '26h']),
      interval: 3600,
      timeout: 300,
      output_metric_format: 'nagios_perfdata',
      output_metric_handlers: [],
    }),
  ];
  const notes = notesOn(save).map((note) => `# ${note}\n`);
  return notes.join('') + documents.map((document) => stringify(document)).join('---\n');
}

const commandLine = (words: readonly string[]): string => words.map(shellQuote).join(' ');

/** Sensu knows OK, WARNING and CRITICAL, and takes every other exit code for UNKNOWN. */
function withPluginExit(command: string): string {
  return `${command}; case $? in 0) ;; 3) exit 1 ;; *) exit 2 ;; esac`;
}

function notesOn(save: readonly string[]): readonly string[] {
  const destination = destinationOf(save)!;
  const where = isDirectory(destination) ? `the host that has ${destination}` : 'one host';
  const secrets = secretFileOptions.flatMap((option) => optionValue(save, option) ?? []);
  return [
    `Run by the agent of ${where}: give the subscription ${subscription} to no other.`,
    "The agent's user, not root, must be able to read every file that is named here.",
    ...(secrets.length === 0
      ? []
      : [
          `So can everybody who may create checks in Sensu, through that agent: ${secrets.join(', ')}.`,
          'Where that is too much, save with --systemd or --cron, and take only the check sensu-ferry-age from here.',
        ]),
  ];
}

function check(name: string, spec: Readonly<Record<string, unknown>>): object {
  return {
    type: 'CheckConfig',
    api_version: 'core/v2',
    metadata: { name, namespace: 'default' },
    spec: { ...spec, publish: true, subscriptions: [subscription], handlers: [] },
  };
}
