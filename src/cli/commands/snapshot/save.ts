import type { Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { FerryError } from '../../../core/errors.js';
import type { Encryption } from '../../../age/encryption.js';
import type { EtcdClient } from '../../../etcd/client.js';
import type { SaveOptions, SavePlan } from '../../../snapshot/save/save-plan.js';
import type { SavedFacts } from '../../../snapshot/save/textfile.js';
import type { Storage } from '../../../storage/storage.js';
import type { StreamDestination } from '../../../storage/stream.js';
import { addConnectionOptions, connectOptionsFrom, type ConnectionFlags } from '../../options/connection.js';
import { addDataDirOption, type DataDirFlags } from '../../options/data-dir.js';
import { addEncryptionOptions, encryptionFrom, type EncryptionFlags } from '../../options/encryption.js';
import { ExitCode } from '../../exit-codes.js';
import { addNetworkOptions, inform, runs, type CommandResult, type OutputOptions } from '../../run.js';
import { recorded } from '../../save-record.js';
import { refuseUnverifiable, verifySaved } from '../../save-verified.js';
import { contentJson, describeArchive, describeSaved, savedJson } from '../../words/save.js';
import { describeStopped, stoppedJson, warnOfStopped } from '../../words/stopped-members.js';
import { addStorageOptions, openStorageFrom, type StorageFlags } from '../../options/storage.js';
import { toolName } from '../../version.js';

interface SaveFlags extends ConnectionFlags, DataDirFlags, StorageFlags, EncryptionFlags, OutputOptions {
  readonly to: string;
  readonly format: string;
  readonly name?: string;
  readonly textfile?: string;
  readonly verify?: boolean;
}

interface CliSaveOptions extends SaveOptions {
  readonly destination: Storage | StreamDestination;
}

interface SaveResult extends CommandResult {
  readonly saved: SavedFacts & { readonly path: string };
}

export function addSave(snapshot: Command): void {
  const command = snapshot
    .command('save')
    .description(
      'take a snapshot of a running etcd, or of a stopped one from its data directory, checked while it streams',
    )
    .requiredOption('--to <place>', 'a directory, s3://bucket/prefix, or - for standard output')
    .option('--format <name>', 'sferry: an archive with a manifest; etcd: the plain file', 'sferry')
    .option('--name <name>', "first part of the file's name; default from Sensu's cluster id")
    .option('--verify', 'read it back from where it lies and verify it, as snapshot verify does')
    .option(
      '--textfile <file>',
      'write how it ended as metrics for node_exporter; a .prom file of its own for each schedule',
    );
  addNetworkOptions(
    addEncryptionOptions(addStorageOptions(addDataDirOption(addConnectionOptions(command)))),
  ).action(runs(save, { around: recorded }));
}

async function save(context: Context, flags: SaveFlags): Promise<SaveResult> {
  const result = await saveFrom(context, flags);
  if (flags.to === '-') inform(context, result.lines);
  return flags.to === '-' || flags.quiet === true ? { ...result, lines: [] } : result;
}

async function saveFrom(context: Context, flags: SaveFlags): Promise<SaveResult> {
  const format = parseFormat(flags.format);
  const name = flags.name === undefined ? {} : { name: parseName(flags.name) };
  const destination = await destinationFrom(flags, context);
  const encryption = await encryptionFrom(flags, context);
  if (format === 'etcd' && encryption !== undefined) throw plainIsNotEncrypted();
  refuseUnverifiable(flags, encryption);
  warnIfInClear(context, destination, encryption);
  await warnOfOthers(context, destination);
  const what = { destination, tool: toolName(), ...name, ...(encryption && { encryption }) };
  if (flags.dataDir !== undefined && flags.endpoints !== undefined) throw twoSources();
  const { prepareDestination } = await import('../../../snapshot/save/prepare-destination.js');
  await prepareDestination(context, destination);
  const result = await (flags.dataDir === undefined
    ? saveRunning(context, flags, what, format)
    : saveStopped(context, flags.dataDir, what, format));
  if (flags.verify !== true) return result;
  await verifySaved(context, result.saved.path, flags, encryption);
  return {
    ...result,
    lines: [...result.lines, '  verified'],
    json: { ...(result.json as object), verified: true },
  };
}

async function saveRunning(
  context: Context,
  flags: SaveFlags,
  what: CliSaveOptions,
  format: SaveFormat,
): Promise<SaveResult> {
  const options = await connectOptionsFrom(flags, context);
  const { connect } = await import('../../../etcd/connect.js');
  const { retryWhileClusterChanges } = await import('../../../snapshot/save/retry.js');
  const client = await connect(options);
  try {
    return await locked(context, what.destination, (inner) =>
      retryWhileClusterChanges(inner, () => saveOnce(inner, client, what, format)),
    );
  } finally {
    await client.close();
  }
}

async function saveOnce(
  context: Context,
  client: EtcdClient,
  options: SaveOptions,
  format: SaveFormat,
): Promise<SaveResult> {
  const { planSave } = await import('../../../snapshot/save/save-plan.js');
  const plan = await planSave(client, options);
  for (const { endpoint, reason } of plan.passedOver) {
    context.report.warn(`${endpoint} is passed over: ${reason}`);
  }
  return carryOut(context, plan, format);
}

/** Replays the members' logs first: a place is not locked for what may be refused. */
async function saveStopped(
  context: Context,
  folders: readonly string[],
  what: CliSaveOptions,
  format: SaveFormat,
): Promise<SaveResult> {
  const { openStoppedMembers } = await import('../../../at-rest/stopped-members.js');
  const { planColdSave } = await import('../../../snapshot/save/stopped-source.js');
  const members = await openStoppedMembers(context, folders);
  try {
    const warned = warnOfStopped(members, context.report);
    const result = await locked(context, what.destination, async (inner) =>
      carryOut(inner, await planColdSave(inner, members, what), format),
    );
    return {
      ...result,
      lines: [...result.lines, ...describeStopped(members).map((line) => `  ${line}`)],
      json: { ...(result.json as object), ...stoppedJson(members) },
      ...(warned && { exit: ExitCode.warnings }),
    };
  } finally {
    members.directory.close();
  }
}

function carryOut(context: Context, plan: SavePlan, format: SaveFormat): Promise<SaveResult> {
  return format === 'etcd' ? plainResult(context, plan) : archiveResult(context, plan);
}

async function plainResult(context: Context, plan: SavePlan): Promise<SaveResult> {
  const { savePlain } = await import('../../../snapshot/save/save-plain.js');
  const saved = await savePlain(context, plan);
  return { lines: describeSaved(saved), json: savedJson(saved), saved: { ...saved, keys: undefined } };
}

async function archiveResult(context: Context, plan: SavePlan): Promise<SaveResult> {
  const { saveArchive } = await import('../../../snapshot/save/save-archive.js');
  const saved = await saveArchive(context, plan);
  return {
    lines: describeArchive(saved),
    json: { ...savedJson(saved), content: contentJson(saved) },
    saved: { ...saved, keys: saved.contents.keys },
  };
}

/** One run at a time works on a place; what reads standard output is not known. */
async function locked<Result>(
  context: Context,
  destination: Storage | StreamDestination,
  work: (context: Context) => Promise<Result>,
): Promise<Result> {
  if (!('putIfAbsent' in destination)) return work(context);
  const { takeLockIfPermitted, whileLocked } = await import('../../../snapshot/keep/lock.js');
  return whileLocked(context, await takeLockIfPermitted(context, destination), work);
}

async function destinationFrom(flags: SaveFlags, context: Context): Promise<Storage | StreamDestination> {
  if (flags.to !== '-') return openStorageFrom(flags.to, flags, context);
  if (flags.json === true) {
    throw outputTaken('A document on standard output, which --json asks for, would be in the snapshot.');
  }
  if (process.stdout.isTTY) throw outputTaken('A snapshot is not written to a terminal.');
  const { StreamDestination } = await import('../../../storage/stream.js');
  return new StreamDestination(process.stdout);
}

function warnIfInClear(
  context: Context,
  { remote }: Storage | StreamDestination,
  encryption: Encryption | undefined,
): void {
  if (!remote || encryption !== undefined) return;
  context.report.warn(
    'The snapshot holds password hashes and API keys, and leaves this machine unencrypted: add --recipient or --passphrase-file.',
  );
}

/** Whoever can put a file there can put one in the place of a snapshot. */
async function warnOfOthers(context: Context, destination: Storage | StreamDestination): Promise<void> {
  if (!('isWritableByOthers' in destination) || !(await destination.isWritableByOthers())) return;
  context.report.warn(
    `Other users can write to ${destination.location}, and so decide what a restore brings back: chmod go-w it.`,
  );
}

function twoSources(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'TWO_SOURCES',
    message: 'A snapshot is either of a running etcd (--endpoints) or of a stopped one (--data-dir).',
    hint: 'Leave out one of them.',
  });
}

function plainIsNotEncrypted(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'FORMAT_NOT_ENCRYPTED',
    message: 'A snapshot in the format etcd is not encrypted: etcd could not read it.',
    hint: 'Leave out --format etcd, or pipe --to - into age.',
  });
}

function outputTaken(message: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'OUTPUT_TAKEN',
    message,
    hint: 'Let --to - lead into a pipe or a file, without --json.',
  });
}

type SaveFormat = 'sferry' | 'etcd';

function parseFormat(value: string): SaveFormat {
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
