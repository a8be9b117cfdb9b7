import { createHash } from 'node:crypto';
import { FerryError } from '../../core/errors.js';

const trailerLength = 32;
const sectorLength = 512;

/**
 * Recomputes the sha256 that etcd sends behind a snapshot, while the snapshot streams. etcd's own tools only
 * look at the size of the file, so a flipped bit passes them (etcd issue 18340).
 */
export class StreamCheck {
  readonly #body = createHash('sha256');
  #tail: Buffer = Buffer.alloc(0);
  #size = 0;

  update(blob: Buffer): void {
    this.#size += blob.length;
    if (blob.length >= trailerLength) {
      this.#body.update(this.#tail);
      this.#body.update(blob.subarray(0, -trailerLength));
      this.#tail = Buffer.from(blob.subarray(-trailerLength));
      return;
    }
    const joined = Buffer.concat([this.#tail, blob]);
    const cut = Math.max(0, joined.length - trailerLength);
    this.#body.update(joined.subarray(0, cut));
    this.#tail = joined.subarray(cut);
  }

  /** Size and sha256 of all bytes, the trailer included. Throws when the trailer does not fit. */
  finish(endpoint: string): { readonly size: number; readonly sha256: string } {
    if (this.#size % sectorLength !== trailerLength) throw broken(endpoint, 'ended before its trailer');
    const whole = this.#body.copy().update(this.#tail);
    if (!this.#body.digest().equals(this.#tail)) throw broken(endpoint, 'does not match its sha256 trailer');
    return { size: this.#size, sha256: whole.digest('hex') };
  }
}

function broken(endpoint: string, fault: string): FerryError {
  return new FerryError({
    kind: 'integrity',
    code: 'SNAPSHOT_STREAM_BROKEN',
    message: `The snapshot of ${endpoint} ${fault}.`,
    hint: 'Nothing was kept. Try again, and look at the network and at the disk of that member.',
  });
}
