import type { Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { formatAge } from '../../../core/duration.js';
import { formatBytes, formatCount } from '../../../core/units.js';
import type { Catalog, StoredSnapshot, StrayFile } from '../../../snapshot/keep/catalog.js';
import { addNetworkOptions, runs, type CommandResult, type OutputOptions } from '../../run.js';
import { addStorageOptions, openStorageFrom, type StorageFlags } from '../../options/storage.js';
import { table } from '../../words/table.js';

export function addList(snapshot: Command): void {
  const command = snapshot
    .command('list')
    .description('list the snapshots in a folder or a bucket')
    .argument('<location>', 'DIR or s3://bucket/prefix, as in save --to');
  addNetworkOptions(addStorageOptions(command)).action(runs(list));
}

async function list(
  context: Context,
  flags: OutputOptions & StorageFlags,
  [location]: readonly string[],
): Promise<CommandResult> {
  const { readCatalog } = await import('../../../snapshot/keep/catalog.js');
  const catalog = await readCatalog(context, await openStorageFrom(location!, flags, context));
  warnOfStrays(context, catalog.strays);
  return { lines: describeCatalog(catalog, context.clock.now()), json: catalogJson(catalog) };
}

/** Files of others are a remark in one line, however many there are; a snapshot that is left out is named. */
export function warnOfStrays({ report }: Context, strays: readonly StrayFile[]): void {
  const foreign = strays.filter(({ kind }) => kind === 'foreign').map(({ name }) => name);
  for (const { name, kind, reason } of strays) {
    if (kind === 'foreign') continue;
    report.warn(`Left out: ${reason.includes(name) ? reason : `${name}: ${reason}`}`);
  }
  if (foreign.length > 0) report.info(`Not snapshots of sensu-ferry, and left alone: ${firstOf(foreign)}.`);
}

function firstOf(names: readonly string[]): string {
  const [most, more] = [names.slice(0, 5), names.length - 5];
  return more > 0 ? `${most.join(', ')} and ${more} more` : most.join(', ');
}

function describeCatalog({ snapshots }: Catalog, now: Date): readonly string[] {
  if (snapshots.length === 0) return ['There is no snapshot.'];
  const columns = [
    { head: 'AGE', numeric: true },
    { head: 'KEYS', numeric: true },
    { head: 'STORED', numeric: true },
    { head: 'VERIFIED' },
    { head: 'FILE' },
    { head: '' },
  ];
  const rows = snapshots.map((snapshot) => rowOf(snapshot, now));
  return table(columns, rows);
}

/** Time and revision are in the name; what else there is, in the document. */
function rowOf(snapshot: StoredSnapshot, now: Date): readonly string[] {
  const { name, createdAt, keys, storedSize, verifiedAt, encrypted, pinned } = snapshot;
  return [
    ageOf(createdAt, now),
    keys === undefined ? '' : formatCount(keys),
    formatBytes(storedSize),
    verifiedAt === undefined ? 'no' : `${ageOf(verifiedAt, now)} ago`,
    name,
    [...(encrypted ? ['encrypted'] : []), ...(pinned ? ['pinned'] : [])].join(', '),
  ];
}

/** A clock that ran ahead must be seen. */
function ageOf(createdAt: Date, now: Date): string {
  const age = now.getTime() - createdAt.getTime();
  return age < 0 ? `-${formatAge(-age)}` : formatAge(age);
}

function catalogJson({ snapshots, strays, orphans }: Catalog): unknown {
  return { snapshots, strays, orphans };
}
