import type { Command } from 'commander';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import type { DumpFormat, Framing } from '../../dump/framing.js';
import type { DumpItem } from '../../dump/item.js';
import type { LossReport } from '../../dump/loss-report.js';
import type { DumpOutput } from '../../dump/write/output.js';
import type { Encryption } from '../../age/encryption.js';
import { addApiOptions } from '../options/api.js';
import { addConnectionOptions } from '../options/connection.js';
import { addDataDirOption } from '../options/data-dir.js';
import { openSource, type DumpSourceFlags } from '../options/dump-source.js';
import { addRecipientOption, encryptionFrom, type EncryptionFlags } from '../options/encryption.js';
import { ExitCode } from '../exit-codes.js';
import { describeLosses } from '../words/losses.js';
import {
  addNetworkOptions,
  inform,
  runs,
  withWarning,
  type CommandResult,
  type OutputOptions,
} from '../run.js';
import { addSourceOptions } from '../options/source.js';

interface DumpFlags extends OutputOptions, DumpSourceFlags, EncryptionFlags {
  readonly types?: string;
  readonly omit?: string;
  readonly namespace?: string;
  readonly format: string;
  readonly output?: string;
  readonly split?: boolean;
  readonly overwrite?: boolean;
  readonly acceptLoss?: boolean;
}

export function defineDump(command: Command): void {
  command
    .option('--from <store>', 'FILE.sferry, FILE.db, <state-dir>/etcd, or s3://bucket/prefix/FILE')
    .option('--sensuctl', 'read with the sensuctl on the PATH, as it is configured')
    .option('--types <list>', "sensuctl's names: all, checks,handlers, core/v2.CheckConfig", 'all')
    .option('--omit <list>', 'types to leave out, such as events,apikeys')
    .option('--namespace <name>', 'of what lies in a namespace, only what lies in this one')
    .option('--format <name>', 'yaml or wrapped-json', 'yaml')
    .option(
      '--output <path>',
      'write to a file, or with --split to a folder; default, and -: standard output',
    )
    .option('--split', 'one file a namespace and kind')
    .option('--overwrite', 'have this dump in the place of an earlier one')
    .option('--with-secrets', 'hide nothing, and give users their password hashes: the dump is a secret')
    .option('--accept-loss', 'exit 0 although something is lost');
  addRecipientOption(command);
  addNetworkOptions(addSourceOptions(addDataDirOption(addConnectionOptions(addApiOptions(command))))).action(
    runs(dumpTo),
  );
}

/** `-` is standard output, as for snapshot save. */
function dumpTo(context: Context, { output, ...others }: DumpFlags): Promise<CommandResult> {
  return dump(context, output === undefined || output === '-' ? others : { ...others, output });
}

async function dump(context: Context, flags: DumpFlags): Promise<CommandResult> {
  const { parseSelection } = await import('../../dump/selection.js');
  const selection = parseSelection(flags);
  const format = parseFormat(flags.format);
  checkOutputFlags(flags);
  const encryption = await encryptionFrom(
    { ...(flags.recipient && { recipient: flags.recipient }) },
    context,
  );
  await checkOutput(flags);
  const source = await openSource(context, flags, selection);
  try {
    if (flags.withSecrets === true && encryption === undefined) warnOfSecrets(context);
    const result = await source.read((items) => written(context, flags, items, { format, encryption }));
    return withWarning(result, source.warned);
  } finally {
    await source.close();
  }
}

interface Form {
  readonly format: DumpFormat;
  readonly encryption: Encryption | undefined;
}

async function written(
  context: Context,
  flags: DumpFlags,
  items: AsyncIterable<DumpItem>,
  { format, encryption }: Form,
): Promise<CommandResult> {
  const { framings } = await import('../../dump/framing.js');
  const { writeDump } = await import('../../dump/dump.js');
  const { ReaderGone } = await import('../../dump/write/output.js');
  const output = await openOutput(context, flags, framings[format], encryption);
  try {
    const options = { format, withSecrets: flags.withSecrets === true };
    return resultOf(context, flags, await writeDump(besideOutput(context, flags), items, output, options));
  } catch (error) {
    await output.abandon();
    // Whoever reads it has seen enough, as `head` has.
    if (error instanceof ReaderGone) return { lines: [], json: {} };
    if (!output.isOut) throw error;
    const { isCompacted } = await import('../../etcd/read-live.js');
    throw isCompacted(error) ? brokenOff(error) : error;
  }
}

/** A spinner would run through a dump that is written to the same terminal. */
function besideOutput(context: Context, { output }: DumpFlags): Context {
  if (output !== undefined || !process.stdout.isTTY) return context;
  return { ...context, report: { ...context.report, progress: () => undefined } };
}

function resultOf(context: Context, flags: DumpFlags, report: LossReport): CommandResult {
  const lines = describeLosses(report, flags);
  if (flags.output === undefined) inform(context, lines);
  return {
    lines: flags.output === undefined || flags.quiet === true ? [] : lines,
    json: flags.output === undefined ? {} : { output: flags.output, ...report },
    exit: report.loses && flags.acceptLoss !== true ? ExitCode.warnings : ExitCode.done,
  };
}

/** A source may take its time, as the logs of stopped members do. */
async function checkOutput({ output, split, overwrite }: DumpFlags): Promise<void> {
  if (output === undefined) return;
  const replace = overwrite === true;
  if (split === true) {
    const { SplitOutput } = await import('../../dump/write/split-output.js');
    await SplitOutput.check(output, { replace });
  } else {
    const { FileSink } = await import('../../dump/write/output.js');
    await FileSink.check(output, replace);
  }
}

async function openOutput(
  context: Context,
  flags: DumpFlags,
  framing: Framing,
  encryption: Encryption | undefined,
): Promise<DumpOutput> {
  const replace = flags.overwrite === true;
  if (flags.split === true) {
    const { SplitOutput } = await import('../../dump/write/split-output.js');
    const ending = flags.format === 'yaml' ? '.yml' : '.json';
    return SplitOutput.create(flags.output!, { framing, ending, replace });
  }
  const { EncryptedSink, FileSink, StandardOutput, StreamOutput } =
    await import('../../dump/write/output.js');
  const sink =
    flags.output === undefined
      ? new StandardOutput(process.stdout, context.signal)
      : await FileSink.create(flags.output, replace);
  return new StreamOutput(
    encryption === undefined ? sink : await EncryptedSink.create(sink, encryption),
    framing,
  );
}

function parseFormat(value: string): DumpFormat {
  if (value === 'yaml' || value === 'wrapped-json') return value;
  throw new FerryError({
    kind: 'usage',
    code: 'FORMAT_UNKNOWN',
    message: `There is no format ${JSON.stringify(value)} of a dump.`,
    hint: 'Use yaml or wrapped-json.',
  });
}

function checkOutputFlags({ split, output, json, recipient }: DumpFlags): void {
  const usage = (code: string, message: string, hint: string): FerryError =>
    new FerryError({ kind: 'usage', code, message, hint });
  if (split === true && output === undefined) {
    throw usage('OUTPUT_MISSING', '--split writes a folder, and none is named.', 'Add --output FOLDER.');
  }
  if (split === true && recipient !== undefined) {
    throw usage(
      'SPLIT_NOT_ENCRYPTED',
      'Only a dump in one file is encrypted.',
      'Leave out --split or --recipient.',
    );
  }
  if (json === true && output === undefined) {
    throw usage(
      'OUTPUT_TAKEN',
      'A document on standard output, which --json asks for, would be in the dump.',
      'Add --output FILE, or leave out --json: the report is then said on standard error.',
    );
  }
}

function warnOfSecrets({ report }: Context): void {
  report.warn(
    'The dump holds password hashes and what entities hide, and is not encrypted: keep it as you keep passwords, or add --recipient.',
  );
}

/** What is on standard output cannot be taken back, to begin again. */
function brokenOff(cause: FerryError): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'DUMP_BROKEN_OFF',
    message: `${cause.message} What has gone to standard output is not the whole dump.`,
    hint: 'Use --output FILE, with which a dump begins again by itself; or dump --from what sensu-ferry snapshot save has taken.',
    cause,
  });
}
