import type { Command } from 'commander';
import type { Context } from '../core/context.js';
import type { StoreAccess } from '../snapshot/open.js';
import { addDecryptionOptions, decryptionKeysFrom, type DecryptionFlags } from './encryption-options.js';
import { addStorageOptions, s3OptionsFrom, type StorageFlags } from './storage-options.js';

export interface SourceFlags extends StorageFlags, DecryptionFlags {}

/** The options of every command that reads a snapshot, wherever it lies. */
export function addSourceOptions(command: Command): Command {
  return addStorageOptions(addDecryptionOptions(command));
}

/** @throws FerryError as `decryptionKeysFrom` */
export async function storeAccessFrom(flags: SourceFlags, context: Context): Promise<StoreAccess> {
  return { keys: await decryptionKeysFrom(flags, context), s3: s3OptionsFrom(flags) };
}
