import { randomInt } from 'node:crypto';

/** Words of 32 bits a slot: two of a key's hash, and a mark. */
const hashWords = 2;
const deletedMark = -1;

/**
 * The newest record of each key, by a hash of 64 bits: keys themselves would not fit into memory. The hash begins
 * anew with each table, so that no two keys are taken for one in every run; in a store of five million keys it
 * happens once in a million runs. Of a store with too many keys, each pass takes those of one share of the hashes.
 */
export class HistoryTable {
  readonly #mask: number;
  readonly #shares: number;
  readonly #seed = randomInt(0x7fffffff);
  readonly #hashes: Uint32Array;
  /** Three numbers a slot: main revision (0 where the slot is empty), revision of creation, version. */
  readonly #numbers: Float64Array;
  #share = 0;
  liveKeys = 0;

  /** @param keys about how many there are in one share */
  constructor(keys: number, shares: number) {
    // Half empty at most, and a share may be somewhat larger than the others.
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, keys * 2.2)));
    this.#mask = slots - 1;
    this.#shares = shares;
    this.#hashes = new Uint32Array(slots * hashWords);
    this.#numbers = new Float64Array(slots * 3);
  }

  /** Forgets every key. From now on those of this share are found. */
  begin(share: number): void {
    this.#share = share;
    this.#numbers.fill(0);
    this.liveKeys = 0;
  }

  /** The slot of a key, new or known; -1 for a key of another share. */
  find(bytes: Buffer, start: number, end: number): number {
    let a = this.#seed;
    let b = ~this.#seed;
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b + byte, 0x85ebca6b);
      b ^= b >>> 13;
    }
    a = mixed(a ^ (end - start));
    b = mixed(b);
    if (this.#shares > 1 && (b >>> 0) % this.#shares !== this.#share) return -1;
    for (let slot = a & this.#mask; ; slot = (slot + 1) & this.#mask) {
      if (this.#numbers[slot * 3] === 0) {
        this.#hashes[slot * hashWords] = a;
        this.#hashes[slot * hashWords + 1] = b;
        return slot;
      }
      if (this.#hashes[slot * hashWords] === a >>> 0 && this.#hashes[slot * hashWords + 1] === b >>> 0) {
        return slot;
      }
    }
  }

  /** Main revision of the newest record, 0 when there is none yet. */
  mainOf(slot: number): number {
    return this.#numbers[slot * 3]!;
  }

  createdOf(slot: number): number {
    return this.#numbers[slot * 3 + 1]!;
  }

  versionOf(slot: number): number {
    return this.#numbers[slot * 3 + 2]!;
  }

  isDeleted(slot: number): boolean {
    return this.versionOf(slot) === deletedMark;
  }

  set(slot: number, main: number, created: number, version: number, deleted: boolean): void {
    const lived = this.mainOf(slot) !== 0 && !this.isDeleted(slot);
    this.liveKeys += Number(!deleted) - Number(lived);
    this.#numbers[slot * 3] = main;
    this.#numbers[slot * 3 + 1] = created;
    this.#numbers[slot * 3 + 2] = deleted ? deletedMark : version;
  }
}

function mixed(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return h ^ (h >>> 16);
}
