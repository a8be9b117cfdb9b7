import { formatCount } from '../../core/units.js';
import { doubtful, failed, notChecked, proven, type Proof } from '../proof.js';

/**
 * `passing`: may come of an election or a lost packet, and counts only when it is frequent or stays. `disproof`: the
 * store is not what it was proven to be.
 */
export type Weight = 'passing' | 'failure' | 'disproof';

/** How often one thing was tried, and what was seen each time that it failed. */
export class Tally {
  readonly what: string;
  readonly #worst: 'warning' | 'failed';
  readonly #seen = new Map<string, number>();
  readonly #weights = new Set<Weight>();
  #tries = 0;
  #failures = 0;
  #failedLast = false;

  /** @param worst `warning` for what the backend can do without. */
  constructor(what: string, worst: 'warning' | 'failed' = 'failed') {
    this.what = what;
    this.#worst = worst;
  }

  succeeded(): void {
    this.#tries += 1;
    this.#failedLast = false;
  }

  /** True when the same was not seen before. */
  failed(seen: string, weight: Weight): boolean {
    const words = seen.replace(/\.$/, '');
    const before = this.#seen.get(words) ?? 0;
    this.#seen.set(words, before + 1);
    this.#tries += 1;
    this.#failures += 1;
    this.#weights.add(weight);
    this.#failedLast = true;
    return before === 0;
  }

  proof(): Proof {
    const { what } = this;
    const tries = formatCount(this.#tries);
    if (this.#tries === 0) return notChecked(what, 'it was not tried');
    if (this.#failures === 0) return proven(what, `${tries} of ${tries} times`);
    const found = `failed ${formatCount(this.#failures)} of ${tries} times: ${this.#words()}`;
    if (this.#weights.has('disproof')) return { ...failed(what, found), disproven: true };
    const stays = this.#failedLast || this.#failures * 4 > this.#tries;
    const isFailure = this.#worst === 'failed' && (this.#weights.has('failure') || stays);
    return isFailure ? failed(what, found) : doubtful(what, found);
  }

  #words(): string {
    return [...this.#seen]
      .map(([seen, count]) => (count === 1 ? seen : `${seen} (${formatCount(count)} times)`))
      .join(' / ');
  }
}
