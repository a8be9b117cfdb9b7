import { InvalidArgumentError, type Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { sumOf } from '../../../snapshot/diff/counts.js';
import { describeDiff, diffDocument } from '../../words/diff.js';
import { ExitCode } from '../../exit-codes.js';
import { addNetworkOptions, runs, type CommandResult, type OutputOptions } from '../../run.js';
import { addSourceOptions, storeAccessFrom, tellOfStopped, type SourceFlags } from '../../options/source.js';

interface DiffFlags extends OutputOptions, SourceFlags {
  readonly limit: number;
  readonly configOnly?: boolean;
}

const listedByDefault = 1000;

export function addDiff(snapshot: Command): void {
  const command = snapshot
    .command('diff')
    .description('show how the second snapshot differs from the first, as resources; exits 3 when it does')
    .argument('<before>', 'FILE.sferry, FILE.db, <state-dir>/etcd, or s3://bucket/prefix/FILE')
    .argument('<after>', 'the same')
    .option('--config-only', 'compare what somebody has set up, without events and what agents report')
    .option('--limit <n>', 'list no more than so many changes', parseLimit, listedByDefault);
  addNetworkOptions(addSourceOptions(command)).action(runs(diff));
}

function parseLimit(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('A whole number is wanted.');
}

async function diff(context: Context, flags: DiffFlags, paths: readonly string[]): Promise<CommandResult> {
  const { openStore } = await import('../../../snapshot/open/open.js');
  const { diffStores } = await import('../../../snapshot/diff/diff.js');
  const access = await storeAccessFrom(flags, context);
  const [before, after] = paths as [string, string];
  const left = await openStore(before, context, access);
  try {
    const right = await openStore(after, context, access);
    try {
      for (const side of [left, right]) tellOfStopped(side, context);
      const result = await diffStores(context, left, right, {
        limit: flags.limit,
        configOnly: flags.configOnly === true,
      });
      return {
        lines: describeDiff(result, { left: before, right: after }),
        json: diffDocument(result, { left: before, right: after }),
        exit: sumOf(result.lasting) > 0 ? ExitCode.warnings : ExitCode.done,
      };
    } finally {
      right.close();
    }
  } finally {
    left.close();
  }
}
