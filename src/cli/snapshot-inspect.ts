import type { Command } from 'commander';
import type { Context } from '../core/context.js';
import { addOutputOptions, runs, type CommandResult, type OutputOptions } from './run.js';

interface InspectFlags extends OutputOptions {
  readonly showSecrets?: boolean;
}

export function addInspect(snapshot: Command): void {
  const command = snapshot
    .command('inspect')
    .description('show what is in an archive, an etcd snapshot or a stopped data directory')
    .argument('<file>', 'FILE.sferry, FILE.db, or <state-dir>/etcd')
    .option('--show-secrets', 'print API keys in clear');
  addOutputOptions(command).action(runs(inspect));
}

async function inspect(
  context: Context,
  flags: InspectFlags,
  [path]: readonly string[],
): Promise<CommandResult> {
  const { inspectStore } = await import('../snapshot/inspect.js');
  const { describeInspection, inspectionJson } = await import('./inspection-text.js');
  const inspection = await inspectStore(context, path!);
  const showSecrets = flags.showSecrets === true;
  return { text: describeInspection(inspection, showSecrets), json: inspectionJson(inspection, showSecrets) };
}
