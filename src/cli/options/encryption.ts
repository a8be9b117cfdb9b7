import type { Command } from 'commander';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { isReadableByOthers, readSecretFile } from '../../core/secret-file.js';
import type { DecryptionKeys, Encryption } from '../../age/encryption.js';

export interface EncryptionFlags {
  readonly recipient?: readonly string[];
  readonly passphraseFile?: string;
}

export interface DecryptionFlags {
  readonly identityFile?: readonly string[];
  readonly passphraseFile?: string;
}

const gather = (value: string, previous: readonly string[] = []): string[] => [...previous, value];

export function addRecipientOption(command: Command): Command {
  return command.option(
    '--recipient <age1...>',
    'encrypt for this public key of age; may be given several times',
    gather,
  );
}

export function addEncryptionOptions(command: Command): Command {
  return addRecipientOption(command).option(
    '--passphrase-file <file>',
    'encrypt with the passphrase in this file, - for standard input',
  );
}

export function addDecryptionOptions(command: Command): Command {
  return command
    .option(
      '--identity-file <file>',
      'secret keys of age for encrypted archives, as age-keygen writes them',
      gather,
    )
    .option('--passphrase-file <file>', 'the passphrase of an encrypted archive, - for standard input');
}

/** @throws FerryError ENCRYPTION_AMBIGUOUS, RECIPIENT_UNUSABLE, SECRET_FILE_UNUSABLE (`usage`) */
export async function encryptionFrom(
  { recipient, passphraseFile }: EncryptionFlags,
  context: Context,
): Promise<Encryption | undefined> {
  if (recipient !== undefined && passphraseFile !== undefined) {
    throw new FerryError({
      kind: 'usage',
      code: 'ENCRYPTION_AMBIGUOUS',
      message: 'An archive is encrypted for recipients or with a passphrase, not both.',
      hint: 'Leave out --recipient or --passphrase-file.',
    });
  }
  if (passphraseFile !== undefined) return { passphrase: await readPassphrase(passphraseFile, context) };
  const [first, ...others] = recipient ?? [];
  if (first === undefined) return undefined;
  const { checkRecipients } = await import('../../age/encryption.js');
  await checkRecipients([first, ...others]);
  return { recipients: [first, ...others] };
}

/** @throws FerryError IDENTITY_FILE_UNUSABLE, SECRET_FILE_UNUSABLE (`usage`) */
export async function decryptionKeysFrom(
  { identityFile = [], passphraseFile }: DecryptionFlags,
  context: Context,
): Promise<DecryptionKeys> {
  const identities: string[] = [];
  for (const path of identityFile) {
    const { readIdentityFile } = await import('../../age/identity-file.js');
    identities.push(...(await readIdentityFile(path)));
    await warnIfReadable(path, context);
  }
  const passphrases = passphraseFile === undefined ? [] : [await readPassphrase(passphraseFile, context)];
  return { identities, passphrases };
}

async function readPassphrase(path: string, context: Context): Promise<string> {
  const passphrase = await readSecretFile(path, 'passphrase');
  await warnIfReadable(path, context);
  return passphrase;
}

async function warnIfReadable(path: string, { report }: Context): Promise<void> {
  if (!(await isReadableByOthers(path))) return;
  report.warn(`${path} can be read by other users of this machine: chmod 600 it.`);
}
