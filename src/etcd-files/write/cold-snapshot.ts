import { createHash } from 'node:crypto';
import { bboltSize, layOutBbolt, writeBbolt } from './bbolt-writer.js';
import { CorruptFileError } from '../corrupt.js';
import type { DataDirectory } from '../data-directory/data-directory.js';
import { sha256Length } from '../bbolt/trailer.js';

/** A snapshot of a stopped etcd, as a running one would have sent it. */
export interface ColdSnapshot {
  /** Bytes, etcd's sha256 at the end included. */
  readonly size: number;
  /**
   * Front to back, in pieces of whole pages, the sha256 last.
   * @throws CorruptFileError as `openDataDirectory`, and FILE_CHANGED when an etcd has run on the directory meanwhile
   */
  bytes(): Generator<Buffer, void, undefined>;
}

/**
 * Makes a snapshot of a data directory: a new bbolt file of what the db file holds and what the log adds to it.
 * Reads the db file once to learn the size, and again for the bytes; yields between, so that a caller can stop.
 */
export function* planColdSnapshot(directory: DataDirectory): Generator<number, ColdSnapshot, undefined> {
  const buckets = directory.buckets();
  const layout = yield* layOutBbolt(buckets);
  return {
    size: bboltSize(layout) + sha256Length,
    *bytes() {
      const hash = createHash('sha256');
      const writing = writeBbolt(buckets, layout);
      for (;;) {
        const { done, value } = writing.next();
        if (done === true) {
          // The first page was written for the layout of the first reading.
          if (value.pages !== layout.pages || value.root !== layout.root) throw changed(directory);
          break;
        }
        hash.update(value);
        yield value;
      }
      directory.assertUntouched();
      yield hash.digest();
    },
  };
}

function changed({ path }: DataDirectory): CorruptFileError {
  return new CorruptFileError('FILE_CHANGED', path, 'was written to while it was read');
}
