import type { Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { FerryError } from '../../../core/errors.js';
import { formatBytes, formatCounted } from '../../../core/units.js';
import type { StoredSnapshot } from '../../../snapshot/keep/catalog.js';
import type { Pruned, PrunePlan } from '../../../snapshot/keep/prune.js';
import type { RetentionPolicy } from '../../../snapshot/keep/retention.js';
import { confirm } from '../../terminal/confirm.js';
import { addRetentionOptions, retentionPolicy, type RetentionFlags } from '../../options/retention.js';
import { addNetworkOptions, runs, type CommandResult, type OutputOptions } from '../../run.js';
import { warnOfStrays } from './list.js';
import { addStorageOptions, openStorageFrom, type StorageFlags } from '../../options/storage.js';
import { table } from '../../words/table.js';

interface PruneFlags extends RetentionFlags, StorageFlags, OutputOptions {
  readonly plan?: boolean;
  readonly yes?: boolean;
}

export function addPrune(snapshot: Command): void {
  const command = snapshot
    .command('prune')
    .description('remove old snapshots; pinned ones and the newest verified one always stay')
    .argument('<location>', 'DIR or s3://bucket/prefix, as in save --to');
  addRetentionOptions(command)
    .option('--plan', 'show what would be removed, and stop')
    .option('--yes', 'do not ask');
  addNetworkOptions(addStorageOptions(command)).action(runs(prune));
}

async function prune(
  context: Context,
  flags: PruneFlags,
  [location]: readonly string[],
): Promise<CommandResult> {
  const policy = policyOf(flags);
  const { applyPrune, planPrune } = await import('../../../snapshot/keep/prune.js');
  const storage = await openStorageFrom(location!, flags, context);
  const plan = await planPrune(context, storage, policy);
  warnOfStrays(context, plan.strays);
  if (flags.plan === true) return { lines: describePlan(plan), json: plan };
  if (plan.remove.length + plan.orphans.length > 0) {
    await confirm(context, flags, describePlan(plan), `remove ${countOf(plan.remove)}`);
  }
  const pruned = await applyPrune(context, storage, plan);
  return { lines: flags.quiet === true ? [] : [describePruned(pruned)], json: pruned };
}

function policyOf(flags: RetentionFlags): RetentionPolicy {
  const policy = retentionPolicy(flags);
  if (Object.keys(policy).length > 0) return policy;
  throw new FerryError({
    kind: 'usage',
    code: 'KEEP_MISSING',
    message: 'Nothing says which snapshots to keep.',
    hint: 'Add for example --keep-daily 7 --keep-weekly 5 --keep-monthly 12, and look with --plan first.',
  });
}

function describePlan({ keep, remove }: PrunePlan): readonly string[] {
  const rows = [
    ...keep.map(({ name, createdAt, reasons }) => ['keep', dayOf(createdAt), reasons.join(', '), name]),
    ...remove.toReversed().map(({ name, createdAt }) => ['remove', dayOf(createdAt), '', name]),
  ];
  const columns = [{ head: '' }, { head: 'TIME (UTC)' }, { head: 'WHY' }, { head: 'FILE' }];
  return [...table(columns, rows), `${countOf(remove)} to remove, ${keep.length} to keep.`];
}

const dayOf = (time: Date): string => time.toISOString().slice(0, 16).replace('T', ' ');

const countOf = ({ length }: readonly unknown[]): string => formatCounted(length, 'snapshot');

function describePruned({ removed, kept }: Pruned): string {
  const freed = removed.reduce((sum, { storedSize }: StoredSnapshot) => sum + storedSize, 0);
  return `${countOf(removed)} removed (${formatBytes(freed)}), ${kept} kept.`;
}
