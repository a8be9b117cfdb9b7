#!/usr/bin/env node
import { Command, type CommanderError } from 'commander';
import { printableLines } from '../core/printable.js';
import { ExitCode, PluginState } from './exit-codes.js';
import { exit, reportFailure, toJson } from './run.js';
import { readVersion } from './version.js';

/** The first words of the command line, and what gives each its options and commands. */
const topCommands: readonly {
  readonly name: string;
  readonly description: string;
  readonly load: () => Promise<(command: Command) => void>;
}[] = [
  {
    name: 'snapshot',
    description: 'take snapshots, look into them and keep them',
    load: async () => (await import('./commands/snapshot/snapshot.js')).addSnapshotCommands,
  },
  {
    name: 'dump',
    description: 'write the resources of a store as YAML or JSON, as sensuctl does, and say what is lost',
    load: async () => (await import('./commands/dump.js')).defineDump,
  },
  {
    name: 'restore',
    description: 'bring a store back',
    load: async () => (await import('./commands/restore/etcd.js')).addRestoreCommands,
  },
  {
    name: 'rbac',
    description: 'set up and prove the etcd user and grants of Sensu',
    load: async () => (await import('./commands/rbac.js')).addRbacCommands,
  },
  {
    name: 'migrate',
    description: 'move a backend from embedded to external etcd, or go back',
    load: async () => (await import('./commands/migrate.js')).addMigrateCommands,
  },
  {
    name: 'demo',
    description: 'migrate a recorded store on this machine, from an embedded etcd to three members with TLS',
    load: async () => (await import('./commands/demo.js')).defineDemo,
  },
];

/** commander's own `help` takes one word, and shows for `help snapshot save` what there is for `help snapshot`. */
function helpAsOption(words: readonly string[]): readonly string[] {
  const [first, ...asked] = words;
  return first === 'help' && asked.length > 1 ? [...asked, '--help'] : words;
}

/** Only the options of the command that was asked for are loaded here, and its task when it runs. */
async function buildProgram(words: readonly string[]): Promise<Command> {
  const program = new Command('sensu-ferry')
    .description('Back up and migrate the etcd store of Sensu Go 6.x.')
    .version(readVersion())
    .showHelpAfterError('(add --help for the options)')
    .configureOutput({ outputError: sayUsageError })
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: false });
  for (const { name, description, load } of topCommands) {
    const command = program.command(name).description(description);
    if (words.includes(name)) (await load())(command);
  }
  return program;
}

/** `--json` promises one document, whatever happens; without a command there is nobody yet to ask for it. */
const wantsJson = process.argv.includes('--json');

/** Words of the command line are in it, and behind them commander's guess of what was meant, on a line of its own. */
function sayUsageError(text: string): void {
  const [, fault, guess] = /^(.*?)(?:\n(\(Did you mean [^\n]*\?\)))?\n$/s.exec(text) ?? [undefined, text];
  process.stderr.write(printableLines(guess === undefined ? [fault] : [fault, guess]));
}

/** commander has said on standard error what is wrong, or has printed what was asked for. */
function exitOnUsageError(command: Command): void {
  command.exitOverride((error: CommanderError) => {
    if (error.exitCode === 0) process.exit(ExitCode.done);
    if (wantsJson) process.stdout.write(toJson({ error: usageError(error) }));
    process.exit(command.name() === 'check' ? PluginState.UNKNOWN : ExitCode.usage);
  });
  command.commands.forEach(exitOnUsageError);
}

function usageError({ code, message }: CommanderError): object {
  const words = code === 'commander.help' ? 'A command is missing.' : message.replace(/^error: /, '');
  return { code: 'USAGE', message: words, hint: 'Add --help for the options.' };
}

// Without a listener a reader that goes away would end the program wherever it is, in the middle of a migration
// too. Whether a result could be written is asked where it is printed.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

// grpc-js gives IP addresses as TLS server names, and Node tells every user so.
// Read-only, and true already, under `node --no-deprecation`.
if (process.noDeprecation !== true) process.noDeprecation = true;

const words = helpAsOption(process.argv.slice(2));
const program = await buildProgram(words);
exitOnUsageError(program);
try {
  await program.parseAsync(words, { from: 'user' });
} catch (error) {
  await exit(reportFailure(error, { json: wantsJson }));
}
