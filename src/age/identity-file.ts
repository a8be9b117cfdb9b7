import { FerryError } from '../core/errors.js';
import { readSmallSecretFile } from '../core/secret-file.js';

/**
 * The identities in a file as age-keygen writes it: one a line, `#` before remarks.
 * @throws FerryError SECRET_FILE_UNUSABLE, IDENTITY_FILE_UNUSABLE (`usage`). Never tells what is in the file.
 */
export async function readIdentityFile(path: string): Promise<readonly string[]> {
  const { Decrypter } = await import('age-encryption');
  const lines = (await readSmallSecretFile(path, 'identities')).split(/\r?\n/).map((line) => line.trim());
  const identities = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (identities.length === 0) throw unusable(path, 'holds no identity');
  for (const [index, identity] of identities.entries()) {
    try {
      new Decrypter().addIdentity(identity);
    } catch (error) {
      throw unusable(path, `holds something that is no identity of age (number ${index + 1})`, error);
    }
  }
  return identities;
}

function unusable(path: string, fault: string, cause?: unknown): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'IDENTITY_FILE_UNUSABLE',
    message: `The identity file ${path} ${fault}.`,
    hint: 'Give a file of age-keygen, in clear: lines that begin with AGE-SECRET-KEY-.',
    cause,
  });
}
