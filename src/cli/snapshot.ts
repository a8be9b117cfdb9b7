import type { Command } from 'commander';
import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatBytes, formatCount, formatDuration } from '../core/units.js';
import type { SavedSnapshot } from '../snapshot/save.js';
import { addConnectionOptions, connectOptionsFrom, type ConnectionFlags } from './connection-options.js';
import { addOutputOptions, runs, type CommandResult, type OutputOptions } from './run.js';
import { toolName } from './version.js';

interface SaveFlags extends ConnectionFlags, OutputOptions {
  readonly to: string;
  readonly format: string;
  readonly name?: string;
}

interface InspectFlags extends OutputOptions {
  readonly showSecrets?: boolean;
}

export function addSnapshotCommands(program: Command): void {
  const snapshot = program.command('snapshot').description('take snapshots and look into them');
  addSave(snapshot);
  addInspect(snapshot);
}

function addSave(snapshot: Command): void {
  const command = snapshot
    .command('save')
    .description('take a snapshot of a running etcd, checked while it streams')
    .requiredOption('--to <dir>', 'directory for the file')
    .option('--format <name>', 'sferry: an archive with a manifest; etcd: the plain file', 'sferry')
    .option('--name <name>', "first part of the file's name; default from Sensu's cluster id");
  addOutputOptions(addConnectionOptions(command)).action(runs(save));
}

function addInspect(snapshot: Command): void {
  const command = snapshot
    .command('inspect')
    .description('show what is in an archive, an etcd snapshot or a stopped data directory')
    .argument('<file>', 'FILE.sferry, FILE.db, or <state-dir>/etcd')
    .option('--show-secrets', 'print API keys in clear');
  addOutputOptions(command).action(runs(inspect));
}

async function save(context: Context, flags: SaveFlags): Promise<CommandResult> {
  const format = parseFormat(flags.format);
  const options = await connectOptionsFrom(flags, context);
  const { connect } = await import('../etcd/connect.js');
  const { applySave, planSave } = await import('../snapshot/save.js');
  const client = await connect(options);
  try {
    const plan = await planSave(client, {
      directory: flags.to,
      format,
      tool: toolName(),
      ...(flags.name !== undefined && { name: parseName(flags.name) }),
    });
    for (const { endpoint, reason } of plan.member.passedOver) {
      context.report.warn(`${endpoint} is passed over: ${reason}`);
    }
    const saved = await applySave(context, client, plan);
    return { text: describeSaved(saved), json: saved };
  } finally {
    await client.close();
  }
}

function parseFormat(value: string): 'sferry' | 'etcd' {
  if (value === 'sferry' || value === 'etcd') return value;
  throw new FerryError({
    kind: 'usage',
    code: 'FORMAT_UNKNOWN',
    message: `There is no snapshot format ${value}.`,
    hint: 'Use sferry (an archive with a manifest) or etcd (the plain file that etcdutl reads).',
  });
}

function parseName(value: string): string {
  if (/^[\w][\w.-]*$/.test(value)) return value;
  throw new FerryError({
    kind: 'usage',
    code: 'NAME_UNUSABLE',
    message: `${JSON.stringify(value)} cannot be the first part of a file name.`,
    hint: 'Use letters, digits, dots, dashes and underscores.',
  });
}

function describeSaved(saved: SavedSnapshot): string {
  const { contents } = saved;
  const rate = saved.size / (saved.milliseconds / 1000);
  return [
    saved.path,
    `  ${formatCount(contents.keys)} keys, ${formatCount(contents.leases)} leases, revision ${saved.revision}, ` +
      `from ${saved.member.name} (${saved.member.endpoint})`,
    `  ${formatBytes(saved.size)} in ${formatDuration(saved.milliseconds)} (${formatBytes(rate)}/s), ${formatBytes(saved.storedSize)} stored, checked against etcd's sha256`,
  ].join('\n');
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
