import { FerryError } from '../core/errors.js';
import { inChunks } from '../core/chunks.js';

/** Whom an archive is encrypted for. age mixes no passphrase with recipients. */
export type Encryption =
  | { readonly recipients: readonly [string, ...string[]] }
  | {
      /** Secret. */
      readonly passphrase: string;
    };

/** What an archive may be decrypted with. All of it is secret. */
export interface DecryptionKeys {
  /** `AGE-SECRET-KEY-1...` */
  readonly identities: readonly string[];
  readonly passphrases: readonly string[];
}

/**
 * Of the memory of 2^18 that age takes by itself, 256 MiB, a quarter: small machines save and read snapshots too.
 * To whoever guesses passphrases, that is worth two bits.
 */
const scryptWorkFactor = 16;

/** @throws FerryError RECIPIENT_UNUSABLE (`usage`) */
export async function checkRecipients(recipients: readonly string[]): Promise<void> {
  const { Encrypter } = await import('age-encryption');
  for (const recipient of recipients) {
    try {
      new Encrypter().addRecipient(recipient);
    } catch (error) {
      throw unusableRecipient(recipient, error);
    }
  }
}

/** Takes bytes, and gives them out again as one age file, in pieces. */
export interface CipherStream {
  write(bytes: Buffer): Promise<void>;
  /** Returns when the last piece was taken. */
  end(): Promise<void>;
}

/** @param take Gets the age file in pieces of `chunkSize`, each of which is valid until it returns. */
export async function startEncryption(
  encryption: Encryption,
  take: (piece: Buffer) => Promise<void>,
): Promise<CipherStream> {
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  if ('passphrase' in encryption) {
    encrypter.setPassphrase(encryption.passphrase);
    encrypter.setScryptWorkFactor(scryptWorkFactor);
  } else for (const recipient of encryption.recipients) encrypter.addRecipient(recipient);
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const taken = passOn(await encrypter.encrypt(readable), take);
  // A piece that cannot be taken fails whatever is written next: nobody else would ever end that wait.
  const failure = taken.then(() => new Promise<never>(() => undefined));
  failure.catch(() => undefined);
  const input = writable.getWriter();
  input.closed.catch(() => undefined);
  return {
    write: (bytes) => Promise.race([input.write(bytes), failure]),
    end: async () => {
      await Promise.race([input.close(), failure]);
      await taken;
    },
  };
}

async function passOn(
  encrypted: ReadableStream<Uint8Array>,
  take: (piece: Buffer) => Promise<void>,
): Promise<void> {
  for await (const piece of inChunks(asBuffers(encrypted))) await take(piece);
}

async function* asBuffers(bytes: ReadableStream<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const part of bytes) yield Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}

/** Why an age file cannot be decrypted. */
export type DecryptionFault = 'no key fits' | 'damaged';

/**
 * The content of an age file.
 * @param fail Makes the error to throw, after reading on in the source if it wants to.
 */
export async function* decrypt(
  source: AsyncIterator<Buffer>,
  keys: DecryptionKeys,
  fail: (fault: DecryptionFault, cause: unknown) => Promise<unknown>,
): AsyncGenerator<Buffer> {
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  for (const identity of keys.identities) decrypter.addIdentity(identity);
  for (const passphrase of keys.passphrases) decrypter.addPassphrase(passphrase);
  try {
    // Without `return`, so that a failure does not end the source for whoever reads on in it.
    const bytes = ReadableStream.from({ [Symbol.asyncIterator]: () => ({ next: () => source.next() }) });
    yield* asBuffers(await decrypter.decrypt(bytes as ReadableStream<Uint8Array>));
  } catch (error) {
    if (error instanceof FerryError) throw error;
    // The package has no codes for its errors.
    const noKeyFits = error instanceof Error && error.message.startsWith('no identity matched');
    throw await fail(noKeyFits ? 'no key fits' : 'damaged', error);
  }
}

function unusableRecipient(recipient: string, cause: unknown): FerryError {
  // A mistaken identity must not be shown, nor anything like one.
  const named = /^age1[a-z0-9]+$/.test(recipient) ? `The recipient ${recipient}` : 'A recipient';
  return new FerryError({
    kind: 'usage',
    code: 'RECIPIENT_UNUSABLE',
    message: `${named} is no public key of age.`,
    hint: 'Give what age-keygen prints as the public key, age1...',
    cause,
  });
}
