/** Entries that follow each other and are of one term. */
interface Run {
  readonly start: bigint;
  readonly term: bigint;
}

/**
 * Which term each entry of a raft log is of. Two logs that have an entry of the same index and term are the same up to
 * it, by the rules of raft: so this is all that it takes to compare logs.
 */
export class LogTerms {
  readonly #runs: Run[] = [];
  #last = 0n;

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
  add(index: bigint, term: bigint): void {
    while (this.#runs.length > 0 && this.#runs.at(-1)!.start >= index) this.#runs.pop();
    if (index > this.#last + 1n) this.#runs.length = 0;
    if (this.#runs.at(-1)?.term !== term) this.#runs.push({ start: index, term });
    this.#last = index;
  }

  /** Undefined for an entry that is not known. */
  termAt(index: bigint): bigint | undefined {
    return this.#runAt(index)?.term;
  }

  /** The same log behind the snapshot that it goes on from, whose entry may be the last one known of the log. */
  behind(index: bigint, term: bigint): LogTerms {
    if (this.#last >= index && this.first !== index + 1n) return this;
    const whole = new LogTerms();
    const goesOn = this.first === index + 1n;
    whole.#runs.push({ start: index, term }, ...(goesOn ? this.#runs : []));
    whole.#last = goesOn ? this.#last : index;
    return whole;
  }

  /** The last entry that both logs have; undefined where none is known to be in both. */
  sharedWith(other: LogTerms): bigint | undefined {
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

  /** Whether a voter with this log would elect a member with the other one. */
  yieldsTo(other: LogTerms): boolean {
    if (this.lastTerm !== other.lastTerm) return this.lastTerm < other.lastTerm;
    return this.last <= other.last;
  }

  #runAt(index: bigint): Run | undefined {
    return index > this.#last ? undefined : this.#runs.findLast(({ start }) => start <= index);
  }
}
