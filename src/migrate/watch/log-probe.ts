import { FerryError } from '../../core/errors.js';
import { formatCount, formatCounted } from '../../core/units.js';
import { faultOf, type LogFault } from '../../sensu/backend/backend-log.js';
import type { LogReader } from '../../sensu/backend/log-reader.js';
import { doubtful, failed, notChecked, proven, type Proof } from '../proof.js';
import type { Probe } from './probe.js';

const what = 'log of the backend';

/** What each fault means to the operator; a fault is counted, its line is not shown, for it may hold anything. */
const meanings: Readonly<Record<LogFault, string>> = {
  'invalid auth token': 'a member did not know the login yet: an event or a switch may be lost each time',
  'user name is empty': 'a request went out without the login: an event or a switch may be lost each time',
  'permission denied': 'etcd took the backend for a user without the grants',
  'the watcher has been stopped': 'changes do not reach the backend until it is restarted',
  'backend stopped working and is restarting': 'the backend restarted itself',
};

/** With simple tokens and several members a backend meets these now and then; more of them than this is no accident. */
const tolerated: ReadonlySet<LogFault> = new Set(['invalid auth token', 'user name is empty']);
const toleratedPerMinute = 20;

/** Counts the faults that the backend itself writes of. */
export class LogProbe implements Probe {
  readonly #reader: LogReader;
  readonly #since: Date;
  readonly #past: 'counts' | 'warns';
  readonly #counts = new Map<LogFault, number>();
  /** Those of `#counts` that were logged since the watch began. */
  readonly #fresh = new Set<LogFault>();
  #unreadable: string | undefined;
  #lines = 0;
  #hasLooked = false;

  /** @param past What was logged before the watch: of a backend just started, or of one whose fault may be mended since. */
  constructor(reader: LogReader, since: Date, past: 'counts' | 'warns') {
    this.#reader = reader;
    this.#since = since;
    this.#past = past;
  }

  async look(): Promise<readonly string[]> {
    const isFirst = !this.#hasLooked;
    try {
      const lines = await this.#reader.read();
      this.#hasLooked = true;
      return this.#count(lines, !isFirst);
    } catch (error) {
      if (!(error instanceof FerryError)) throw error;
      this.#unreadable = error.message;
      return [];
    }
  }

  proofs(): readonly Proof[] {
    if (this.#counts.size === 0) {
      if (this.#unreadable !== undefined) return [notChecked(what, this.#unreadable)];
      return [proven(what, `no fault in ${formatCounted(this.#lines, 'new line')} of ${this.#reader.name}`)];
    }
    const found = [...this.#counts].map(
      ([fault, count]) =>
        `"${fault}" ${count === 1 ? 'once' : `${formatCount(count)} times`} (${meanings[fault]})`,
    );
    const isOver = this.#past === 'warns' && this.#fresh.size === 0;
    if (isOver) found.push(`all of it before this look, since ${this.#since.toISOString()}`);
    return [(isOver || this.#isTolerable() ? doubtful : failed)(what, found.join(' / '))];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #count(lines: readonly string[], isFresh: boolean): string[] {
    this.#lines += lines.length;
    const news: string[] = [];
    for (const fault of lines.map(faultOf)) {
      if (fault === undefined) continue;
      const before = this.#counts.get(fault) ?? 0;
      this.#counts.set(fault, before + 1);
      if (isFresh) this.#fresh.add(fault);
      if (before === 0) news.push(`The log of the backend says "${fault}": ${meanings[fault]}.`);
    }
    return news;
  }

  #isTolerable(): boolean {
    const total = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    const minutes = Math.max(1, (Date.now() - this.#since.getTime()) / 60_000);
    return (
      [...this.#counts.keys()].every((fault) => tolerated.has(fault)) && total / minutes <= toleratedPerMinute
    );
  }
}
