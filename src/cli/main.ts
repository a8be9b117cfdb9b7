#!/usr/bin/env node
import { Command, type CommanderError } from 'commander';
import { ExitCode } from './exit-codes.js';
import { addDemoCommand } from './demo.js';
import { addMigrateCommands } from './migrate.js';
import { addRbacCommands } from './rbac.js';
import { addRestoreCommands } from './restore.js';
import { addSnapshotCommands } from './snapshot.js';
import { readVersion } from './version.js';

/** Only commander and option definitions are loaded here; each command imports its task when it runs. */
function buildProgram(): Command {
  const program = new Command('sensu-ferry')
    .description('Back up and migrate the etcd store of Sensu Go 6.x.')
    .version(readVersion())
    .showHelpAfterError('(add --help for the options)')
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: false });
  addSnapshotCommands(program);
  addRestoreCommands(program);
  addRbacCommands(program);
  addMigrateCommands(program);
  addDemoCommand(program);
  return program;
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

// grpc-js gives IP addresses as TLS server names, and Node tells every user so.
process.noDeprecation = true;

const program = buildProgram();
exitOnUsageError(program);
await program.parseAsync();
