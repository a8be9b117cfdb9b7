import { stringify } from 'yaml';
import { shellQuote } from './cron.js';
import {
  commandsOf,
  destinationOf,
  isDirectory,
  longestRun,
  placeOptions,
  type ScheduledSave,
} from './scheduled-save.js';

const subscription = 'sensu-backend';

/**
 * Two checks for `sensuctl create`: one that takes the snapshot, and one that looks how old the newest is, so
 * that an agent which does not run the first is noticed too.
 */
export function sensuChecks(schedule: ScheduledSave): string {
  const { at, program, save } = schedule;
  const commands = commandsOf(schedule).map((command) => command.map(shellQuote).join(' '));
  const destination = destinationOf(save)!;
  const documents = [
    check('sensu-ferry-snapshot', {
      command: commands.join(' && '),
      cron: `${at.minute} ${at.hour} * * *`,
      timeout: longestRun(save),
    }),
    check('sensu-ferry-snapshot-age', {
      command: [...program, 'snapshot', 'check', destination, ...placeOptions(save), '--max-age', '26h']
        .map(shellQuote)
        .join(' '),
      interval: 3600,
      timeout: 300,
    }),
  ];
  const where = isDirectory(destination) ? `the host that has ${destination}` : 'one host';
  const note = `Run by the agent of ${where}: give the subscription ${subscription} to no other.`;
  return documents
    .map((document) => stringify(document))
    .join('---\n')
    .replace(
      /^/,
      `# ${note}\n# The agent's user, not root, must be able to read every file that is named here.\n`,
    );
}

function check(name: string, spec: Readonly<Record<string, unknown>>): object {
  return {
    type: 'CheckConfig',
    api_version: 'core/v2',
    metadata: { name, namespace: 'default' },
    spec: { ...spec, publish: true, subscriptions: [subscription], handlers: [] },
  };
}
