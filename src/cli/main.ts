#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, type CommanderError } from 'commander';
import { ExitCode } from './exit-codes.js';
import { addSnapshotCommands } from './snapshot.js';

/** Only commander and option definitions are loaded here; each command imports its task when it runs. */
function buildProgram(): Command {
  const program = new Command('sensu-ferry')
    .description('Back up and migrate the etcd store of Sensu Go 6.x.')
    .version(readVersion())
    .showHelpAfterError('(add --help for the options)')
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: false });
  addSnapshotCommands(program);
  return program;
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

function exitOnUsageError(command: Command): void {
  command.exitOverride((error: CommanderError) => {
    process.exit(error.exitCode === 0 ? ExitCode.done : ExitCode.usage);
  });
  command.commands.forEach(exitOnUsageError);
}

// A reader that has seen enough (`| head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitCode.done);
});

const program = buildProgram();
exitOnUsageError(program);
await program.parseAsync();
