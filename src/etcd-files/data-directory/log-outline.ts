/** Entries that follow each other and are of one term. */
interface Run {
  readonly start: bigint;
  readonly term: bigint;
}

/**
 * Of each entry of a raft log its term, and a checksum of its data. Two logs that have an entry of the same index and term
 * are the same up to it, by the rules of raft: so the terms are all that it takes to compare logs of one cluster, and the
 * checksums tell whether they are of one.
 */
export class LogOutline {
  #runs: readonly Run[] = [];
  #last = 0n;
  #checksums: number[] = [];
  /** The entry that the first checksum is of. */
  #summedFrom = 0n;

  /** Index of the first entry that is known; 0 in an empty log. */
  get first(): bigint {
    return this.#runs[0]?.start ?? 0n;
  }

  get last(): bigint {
    return this.#last;
  }

  get lastTerm(): bigint {
    return this.#runs.at(-1)?.term ?? 0n;
  }

  /** An entry replaces the one of its index and all after it; one beyond the end begins the log again. */
  add(index: bigint, term: bigint, checksum: number): void {
    if (index !== this.#last + 1n || this.#checksums.length === 0) this.#cut(index);
    if (this.#runs.at(-1)?.term !== term) this.#runs = [...this.#runs, { start: index, term }];
    this.#checksums.push(checksum);
    this.#last = index;
  }

  #cut(index: bigint): void {
    const goesOn = index <= this.#last + 1n;
    this.#runs = goesOn ? this.#runs.filter(({ start }) => start < index) : [];
    if (goesOn && this.#checksums.length > 0 && index > this.#summedFrom) {
      this.#checksums.length = Number(index - this.#summedFrom);
    } else {
      this.#checksums = [];
      this.#summedFrom = index;
    }
  }

  /** Undefined for an entry that is not known. */
  termAt(index: bigint): bigint | undefined {
    return this.#runAt(index)?.term;
  }

  /** The same log behind the snapshot that it goes on from, whose entry may be the last one known of the log. */
  behind(index: bigint, term: bigint): LogOutline {
    if (this.#last >= index && this.first !== index + 1n) return this;
    const whole = new LogOutline();
    const goesOn = this.first === index + 1n;
    whole.#runs = [{ start: index, term }, ...(goesOn ? this.#runs : [])];
    whole.#last = goesOn ? this.#last : index;
    if (goesOn) [whole.#checksums, whole.#summedFrom] = [this.#checksums, this.#summedFrom];
    return whole;
  }

  /** The last entry that both logs have; undefined where none is known to be in both. */
  sharedWith(other: LogOutline): bigint | undefined {
    const first = this.first > other.first ? this.first : other.first;
    let index = this.last < other.last ? this.last : other.last;
    while (index >= first && index > 0n) {
      const [ours, theirs] = [this.#runAt(index)!, other.#runAt(index)!];
      if (ours.term === theirs.term) return index;
      // Terms never fall along a log: before this entry's run the other log has no entry of its term.
      index = (ours.term > theirs.term ? ours : theirs).start - 1n;
    }
    return undefined;
  }

  /** The first entry up to `upTo` whose data differs from the other log's; undefined where none is known to. */
  differsAt(other: LogOutline, upTo: bigint): bigint | undefined {
    const from = this.#summedFrom > other.#summedFrom ? this.#summedFrom : other.#summedFrom;
    const [ours, theirs] = [Number(from - this.#summedFrom), Number(from - other.#summedFrom)];
    for (let i = 0; i <= Number(upTo - from); i++) {
      const [one, two] = [this.#checksums[ours + i], other.#checksums[theirs + i]];
      if (one === undefined || two === undefined) return undefined;
      if (one !== two) return from + BigInt(i);
    }
    return undefined;
  }

  /** Whether a voter with this log would elect a member with the other one. */
  yieldsTo(other: LogOutline): boolean {
    if (this.lastTerm !== other.lastTerm) return this.lastTerm < other.lastTerm;
    return this.last <= other.last;
  }

  #runAt(index: bigint): Run | undefined {
    return index > this.#last ? undefined : this.#runs.findLast(({ start }) => start <= index);
  }
}
