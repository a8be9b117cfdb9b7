import type { Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { addSourceOptions, storeAccessFrom, type SourceFlags } from '../../options/source.js';
import { addNetworkOptions, runs, withWarning, type CommandResult, type OutputOptions } from '../../run.js';

interface InspectFlags extends OutputOptions, SourceFlags {
  readonly showSecrets?: boolean;
}

export function addInspect(snapshot: Command): void {
  const command = snapshot
    .command('inspect')
    .description('show what is in an archive, an etcd snapshot or a stopped data directory')
    .argument('<file>', 'FILE.sferry, FILE.db, <state-dir>/etcd, or s3://bucket/prefix/FILE')
    .option('--show-secrets', 'print API keys in clear');
  addNetworkOptions(addSourceOptions(command)).action(runs(inspect));
}

async function inspect(
  context: Context,
  flags: InspectFlags,
  [path]: readonly string[],
): Promise<CommandResult> {
  const { inspectStore } = await import('../../../snapshot/open/inspect.js');
  const { describeInspection, inspectionJson } = await import('../../words/inspection.js');
  const inspection = await inspectStore(context, path!, await storeAccessFrom(flags, context));
  const showSecrets = flags.showSecrets === true;
  const result = {
    lines: describeInspection(inspection, showSecrets),
    json: inspectionJson(inspection, showSecrets),
  };
  return withWarning(result, inspection.replay?.agreement.doubt !== undefined);
}
