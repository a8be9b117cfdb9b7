import { createCipheriv, createDecipheriv, randomBytes, type Cipher } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const algorithm = 'aes-256-ctr';
const blockLength = 16;

/**
 * A file without a name: made readable by its owner only and unlinked at once, so that it is gone with the
 * process however it ends. Sealed, it holds nothing in clear either: its bytes are encrypted with a key that is
 * in memory only, because what is deleted can still be read from a disk.
 */
export class TempFile {
  readonly #fd: number;
  readonly #seal: Seal | undefined;
  #length = 0;

  /** @param directory Default: the system's directory for temporary files. */
  constructor(directory = tmpdir(), content: 'sealed' | 'plain' = 'sealed') {
    const path = join(directory, `.sensu-ferry-${randomBytes(12).toString('hex')}`);
    this.#fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    this.#seal = content === 'sealed' ? new Seal() : undefined;
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Buffer, length: number): void {
    const content = this.#seal?.close(bytes.subarray(0, length)) ?? bytes;
    for (let done = 0; done < length;)
      done += writeSync(this.#fd, content, done, length - done, this.#length + done);
    this.#length += length;
  }

  /** As `readSync`: the number of bytes that were read into `target` at `at`, 0 at the end. */
  read(target: Buffer, at: number, length: number, offset: number): number {
    const got = readSync(this.#fd, target, at, length, offset);
    this.#seal?.open(target.subarray(at, at + got), offset);
    return got;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A descriptor of the system's, or a file of ours. */
export type OpenFile = number | TempFile;

export function lengthOf(file: OpenFile): number {
  return typeof file === 'number' ? fstatSync(file).size : file.length;
}

/** Counter mode: as long as the content, and readable anywhere. No byte is ever written twice under one key. */
class Seal {
  readonly #key = randomBytes(32);
  readonly #cipher: Cipher = createCipheriv(algorithm, this.#key, Buffer.alloc(blockLength));

  /** Encrypts what follows the bytes before. */
  close(bytes: Buffer): Buffer {
    return this.#cipher.update(bytes);
  }

  /** Decrypts bytes from `offset` on in their place. */
  open(bytes: Buffer, offset: number): void {
    const counter = Buffer.alloc(blockLength);
    counter.writeBigUInt64BE(BigInt(Math.floor(offset / blockLength)), 8);
    const decipher = createDecipheriv(algorithm, this.#key, counter);
    decipher.update(Buffer.alloc(offset % blockLength));
    decipher.update(bytes).copy(bytes);
  }
}
