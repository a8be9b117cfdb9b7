import { randomBytes } from 'node:crypto';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A file without a name: made readable by its owner only and unlinked at once, so that key names, some of which
 * are secrets, are gone with the process however it ends.
 */
export class TempFile {
  readonly fd: number;
  #length = 0;

  /** @param directory Default: the system's directory for temporary files. */
  constructor(directory = tmpdir()) {
    const path = join(directory, `.sensu-ferry-${randomBytes(12).toString('hex')}`);
    this.fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Buffer, length: number): void {
    for (let done = 0; done < length;)
      done += writeSync(this.fd, bytes, done, length - done, this.#length + done);
    this.#length += length;
  }

  close(): void {
    closeSync(this.fd);
  }
}
