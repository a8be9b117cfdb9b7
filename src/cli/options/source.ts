import type { Command } from 'commander';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import type { OpenedStore, StoreAccess } from '../../snapshot/open/open.js';
import { addDataDirOption, type DataDirFlags } from './data-dir.js';
import { addDecryptionOptions, decryptionKeysFrom, type DecryptionFlags } from './encryption.js';
import { describeStopped, warnOfStopped } from '../words/stopped-members.js';
import { addStorageOptions, s3OptionsFrom, type StorageFlags } from './storage.js';

export interface SourceFlags extends StorageFlags, DecryptionFlags {}

/** The options of every command that reads a snapshot, wherever it lies. */
export function addSourceOptions(command: Command): Command {
  return addStorageOptions(addDecryptionOptions(command));
}

/** @throws FerryError as `decryptionKeysFrom` */
export async function storeAccessFrom(flags: SourceFlags, context: Context): Promise<StoreAccess> {
  return { keys: await decryptionKeysFrom(flags, context), s3: s3OptionsFrom(flags) };
}

/** A store to read from, in a file or in the data directories of stopped members. */
export interface StoreFlags extends SourceFlags, DataDirFlags {
  readonly from?: string;
}

export function addStoreOptions(command: Command): Command {
  const withFrom = command.option(
    '--from <path>',
    'a .sferry archive or an etcd snapshot, also as s3://bucket/prefix/FILE, or <state-dir>/etcd of a stopped backend',
  );
  return addSourceOptions(addDataDirOption(withFrom));
}

/** @throws FerryError `usage` for no source or two; as `openAtRest` */
export async function openSource(flags: StoreFlags, context: Context): Promise<OpenedStore> {
  if ((flags.from === undefined) === (flags.dataDir === undefined)) throw notOneSource();
  return openAtRest(flags, context);
}

/** What `--from` names, or else `--data-dir`. @throws FerryError as `openStore` and `openStoppedMembers` */
export async function openAtRest(flags: StoreFlags, context: Context): Promise<OpenedStore> {
  const { from, dataDir } = flags;
  const { openStore, storeOfStopped } = await import('../../snapshot/open/open.js');
  if (from !== undefined) return openStore(from, context, await storeAccessFrom(flags, context));
  const { openStoppedMembers } = await import('../../at-rest/stopped-members.js');
  return storeOfStopped(await openStoppedMembers(context, dataDir!));
}

/**
 * Says what stopped members hold, where the source is any.
 * @returns whether there was anything that needs the operator's eyes
 */
export function tellOfStopped({ stopped }: Pick<OpenedStore, 'stopped'>, { report }: Context): boolean {
  if (stopped === undefined) return false;
  for (const line of describeStopped(stopped)) report.info(`${line}.`);
  return warnOfStopped(stopped, report);
}

function notOneSource(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'SOURCE_MISSING',
    message: 'Exactly one of --from and --data-dir is needed.',
    hint: 'Give --from FILE for a snapshot, or --data-dir <state-dir>/etcd for a stopped backend.',
  });
}
