import type { Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { FerryError } from '../../../core/errors.js';
import { sumOf } from '../../../snapshot/diff/counts.js';
import type { StoreAccess } from '../../../snapshot/open/open.js';
import type { FileVerification } from '../../../snapshot/verify/verify.js';
import { addConnectionOptions, type ConnectionFlags } from '../../options/connection.js';
import { againstDocument } from '../../words/diff.js';
import { ExitCode, exitCodeOf } from '../../exit-codes.js';
import { openLiveStore, type StoreToRead } from '../../options/live-store.js';
import { addSourceOptions, storeAccessFrom, type SourceFlags } from '../../options/source.js';
import { addNetworkOptions, runs, type CommandResult, type OutputOptions } from '../../run.js';
import { apart } from '../../words/table.js';
import {
  describeUnverified,
  describeVerification,
  type Unverified,
  type Verified,
} from '../../words/verification.js';
import { toolName } from '../../version.js';

interface VerifyFlags extends OutputOptions, SourceFlags, ConnectionFlags {
  readonly deep?: boolean;
  readonly against?: boolean;
  readonly configOnly?: boolean;
}

export function addVerify(snapshot: Command): void {
  const command = snapshot
    .command('verify')
    .description(
      'prove that snapshots are whole: hashes, pages, revisions, values; note it beside them for list, prune and check; exits 13 when one is not',
    )
    .argument('<file...>', 'FILE.sferry, FILE.db, or s3://bucket/prefix/FILE')
    .option('--deep', 'also restore each into a throwaway etcd, and compare')
    .option(
      '--against',
      'also compare each with the live store at --endpoints, and list the keys that differ',
    )
    .option(
      '--config-only',
      'with --against: compare what somebody has set up, without events and what agents report',
    );
  addNetworkOptions(addConnectionOptions(addSourceOptions(command))).action(runs(verify));
}

async function verify(
  context: Context,
  flags: VerifyFlags,
  paths: readonly string[],
): Promise<CommandResult> {
  const access = await storeAccessFrom(flags, context);
  const { verifyAndNote } = await import('../../../snapshot/verify/mark.js');
  const deep =
    flags.deep === true ? { deep: (await import('../../../restore/deep-verify.js')).deepVerify } : undefined;
  const live = await liveStoreFrom(flags, context);
  const configOnly = flags.configOnly === true;
  const files: (Verified | Unverified)[] = [];
  try {
    for (const path of paths) {
      try {
        const file = await verifyAndNote(context, path, { access, ...deep }, toolName());
        files.push(live === undefined ? file : await compared(context, file, live, { access, configOnly }));
      } catch (error) {
        context.signal.throwIfAborted();
        // Of several files the others are looked at all the same.
        if (!(error instanceof FerryError) || paths.length === 1) throw error;
        files.push({ path, ok: false, error });
      }
    }
  } finally {
    await live?.close();
  }
  return {
    lines: apart(
      files.map((file) => ('error' in file ? describeUnverified(file) : describeVerification(file))),
    ),
    json: { ok: files.every(({ ok }) => ok), files: files.map(documentOf) },
    exit: worstExit(files),
  };
}

/** @throws FerryError AGAINST_MISSING (`usage`), as `openLiveStore` */
async function liveStoreFrom(flags: VerifyFlags, context: Context): Promise<StoreToRead | undefined> {
  if (flags.against !== true) {
    const option = flags.endpoints === undefined ? '--config-only' : '--endpoints';
    if (flags.endpoints === undefined && flags.configOnly !== true) return undefined;
    throw new FerryError({
      kind: 'usage',
      code: 'AGAINST_MISSING',
      message: `${option} is about a live store, but nothing is to be compared with one.`,
      hint: `Add --against, or leave out ${option}.`,
    });
  }
  return openLiveStore(flags, context);
}

/** A damaged file is not compared: what it holds says nothing. */
async function compared(
  context: Context,
  verification: FileVerification,
  live: StoreToRead,
  how: { readonly access: StoreAccess; readonly configOnly: boolean },
): Promise<Verified> {
  if (!verification.ok) return verification;
  const { compareWithLive } = await import('../../../snapshot/verify/against.js');
  const against = await live.read((view) => compareWithLive(context, verification.path, view, how));
  return { ...verification, ok: sumOf(against.lasting) === 0, against };
}

function documentOf(file: Verified | Unverified): object {
  if (!('error' in file))
    return file.against === undefined ? file : { ...file, against: againstDocument(file.against) };
  const { code, message, hint } = file.error;
  return { path: file.path, ok: false, error: { code, message, hint } };
}

/** Damage outweighs whatever else kept a file from being verified; of that, the first. */
function worstExit(files: readonly (Verified | Unverified)[]): ExitCode {
  const failed = files.filter(({ ok }) => !ok);
  if (failed.length === 0) return ExitCode.done;
  const errors = failed.flatMap((file) => ('error' in file ? [exitCodeOf(file.error.kind)] : []));
  return errors.length < failed.length ? ExitCode.integrity : errors[0]!;
}
