import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { defineDemo } from '../../src/cli/commands/demo.js';
import { defineDump } from '../../src/cli/commands/dump.js';
import { refuseEmpty } from '../../src/cli/empty-options.js';
import { addMigrateCommands } from '../../src/cli/commands/migrate.js';
import { addRbacCommands } from '../../src/cli/commands/rbac.js';
import { addRestoreCommands } from '../../src/cli/commands/restore/etcd.js';
import { addSnapshotCommands } from '../../src/cli/commands/snapshot/snapshot.js';
import { expectFailure, ferry, fixture } from '../support/ferry.js';

const groups = [
  defineDump,
  defineDemo,
  addSnapshotCommands,
  addRestoreCommands,
  addRbacCommands,
  addMigrateCommands,
];

const commandsOf = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(commandsOf);

/** Fresh, as commander keeps what it has parsed. */
const freshCommands = (): Command[] =>
  groups.flatMap((define) => {
    const command = new Command('group');
    define(command);
    return commandsOf(command);
  });

const optionsWithValue = freshCommands().flatMap(({ options }, index) =>
  options.filter(({ required }) => required).map(({ long }) => ({ index, long: long! })),
);

/** What is wrong with the option, or nothing. */
function faultOf(index: number, words: readonly string[]): string {
  const command = freshCommands()
    .at(index)!
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  try {
    command.parseOptions([...words]);
    refuseEmpty(command);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('an option that needs a value', () => {
  it('is refused by its name in every command when the value is empty', () => {
    expect(optionsWithValue.length).toBeGreaterThan(100);
    for (const { index, long } of optionsWithValue) {
      for (const empty of ['', ' ', ',']) {
        // Some are read while they are parsed, as choices are, and refused in commander's words.
        expect(faultOf(index, [long, empty])).toContain(long);
      }
    }
  });

  it('is not refused for its default', () => {
    freshCommands().forEach((_, index) => {
      expect(faultOf(index, [])).toBe('');
    });
  });
});

describe('a command that is given nothing', () => {
  it('does not dump 0 resources and call that done', async () => {
    const source = ['dump', '--from', fixture('kitchen-sink-6.12.0/snapshot.db')];
    const [none, omitted, namespace] = await Promise.all([
      ferry([...source, '--types', '']),
      ferry([...source, '--types', 'checks,handlers', '--omit', 'all']),
      ferry([...source, '--namespace', '']),
    ]);
    expectFailure(none, 2, 'OPTION_EMPTY');
    expect(none.stderr).toContain('--types is empty');
    expectFailure(omitted, 2, 'NOTHING_SELECTED');
    expect(omitted.stderr).toContain('--omit all leaves nothing of --types checks,handlers');
    expectFailure(namespace, 2, 'OPTION_EMPTY');
  });

  it('names an empty argument, and what a schedule would have been given', async () => {
    const [argument, scheduled, check] = await Promise.all([
      ferry(['snapshot', 'list', '']),
      ferry(['snapshot', 'schedule', '--cron', '--', '--endpoints', 'http://127.0.0.1:1', '--to', '']),
      ferry(['snapshot', 'check', '']),
    ]);
    expectFailure(argument, 2, 'OPTION_EMPTY');
    expectFailure(scheduled, 2, 'OPTION_EMPTY');
    expect(scheduled.stderr).toContain('What follows --to is empty');
    // As monitoring plugins say that they cannot tell.
    expect(check).toMatchObject({ code: 3, stdout: expect.stringContaining('[OPTION_EMPTY]') as string });
  });
});
