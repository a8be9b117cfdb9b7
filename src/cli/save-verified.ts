import type { Context } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import type { Encryption } from '../age/encryption.js';
import { s3OptionsFrom, type StorageFlags } from './options/storage.js';
import { toolName } from './version.js';

export interface VerifyFlags extends StorageFlags {
  readonly verify?: boolean;
  /** As in `save --to`. */
  readonly to?: string;
}

/**
 * Before anything is saved that could not be read back.
 * @throws FerryError VERIFY_UNUSABLE (`usage`)
 */
export function refuseUnverifiable({ verify, to }: VerifyFlags, encryption: Encryption | undefined): void {
  if (verify !== true) return;
  if (to === '-') throw unusable('Nothing comes back from standard output, so it cannot be verified.');
  if (encryption === undefined || 'passphrase' in encryption) return;
  throw unusable('A snapshot that is encrypted for recipients cannot be verified without their key.');
}

function unusable(message: string): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'VERIFY_UNUSABLE',
    message,
    hint: 'Leave out --verify, and run snapshot verify where the snapshot can be read.',
  });
}

/**
 * Reads the snapshot back from where it lies, and notes beside it that it is good.
 * @throws FerryError SNAPSHOT_NOT_GOOD (`integrity`)
 */
export async function verifySaved(
  context: Context,
  path: string,
  flags: VerifyFlags,
  encryption: Encryption | undefined,
): Promise<void> {
  const passphrases = encryption !== undefined && 'passphrase' in encryption ? [encryption.passphrase] : [];
  const access = { keys: { identities: [], passphrases }, s3: s3OptionsFrom(flags) };
  const { verifyAndNote } = await import('../snapshot/verify/mark.js');
  const { ok, findings } = await verifyAndNote(context, path, { access, stopEarly: true }, toolName());
  if (ok) return;
  throw new FerryError({
    kind: 'integrity',
    code: 'SNAPSHOT_NOT_GOOD',
    message: `${path} was saved, but read back it is not good: it ${findings[0]?.what ?? 'differs'}.`,
    hint: `See sensu-ferry snapshot verify ${path}, check the disk or the server that it lies on, and save again.`,
  });
}
