import { stringify } from 'yaml';
import { shellQuote } from './cron.js';
import {
  commandsOf,
  destinationOf,
  isDirectory,
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
      timeout: 3600,
    }),
    check('sensu-ferry-snapshot-age', {
      command: [program, 'snapshot', 'check', destination, ...placeOptions(save), '--max-age', '26h']
        .map(shellQuote)
        .join(' '),
      interval: 3600,
      timeout: 300,
    }),
  ];
  const note = isDirectory(destination)
    ? `Runs on the agent of the host that has ${destination}: give that one the subscription.`
    : 'Runs on the one agent that has the subscription.';
  return documents
    .map((document) => stringify(document))
    .join('---\n')
    .replace(/^/, `# ${note}\n`);
}

function check(name: string, spec: Readonly<Record<string, unknown>>): object {
  return {
    type: 'CheckConfig',
    api_version: 'core/v2',
    metadata: { name, namespace: 'default' },
    spec: { ...spec, publish: true, subscriptions: [subscription], handlers: [] },
  };
}
