import { FerryError } from '../../core/errors.js';
import { formatCount, formatCounted } from '../../core/units.js';
import { faultOf, timeOf, type LogFault } from '../../sensu/backend/backend-log.js';
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
  readonly #beganAt = new Date();
  readonly #counts = new Map<LogFault, number>();
  /** Of the last fault that was logged before the watch. */
  #lastPast: Date | undefined;
  #sawFresh = false;
  #unreadable: string | undefined;
  #lines = 0;

  /** @param past What was logged before the watch: of a backend just started, or of one whose fault may be mended since. */
  constructor(reader: LogReader, since: Date, past: 'counts' | 'warns') {
    this.#reader = reader;
    this.#since = since;
    this.#past = past;
  }

  async look(): Promise<readonly string[]> {
    try {
      return this.#count(await this.#reader.read());
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
    const isOver = this.#past === 'warns' && !this.#sawFresh;
    if (isOver) found.push(`last at ${this.#lastPast!.toISOString()}, before this watch`);
    return [(isOver || this.#isTolerable() ? doubtful : failed)(what, found.join(' / '))];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #count(lines: readonly string[]): string[] {
    this.#lines += lines.length;
    const news: string[] = [];
    for (const line of lines) {
      const fault = faultOf(line);
      if (fault === undefined) continue;
      const before = this.#counts.get(fault) ?? 0;
      this.#counts.set(fault, before + 1);
      this.#noteTime(timeOf(line));
      if (before === 0) news.push(`The log of the backend says "${fault}": ${meanings[fault]}.`);
    }
    return news;
  }

  /** Sensu's times have no fractions of a second: one of the second in which the watch began may be of the watch. */
  #noteTime(time: Date | undefined): void {
    const from = time?.getMilliseconds() === 0 ? 1000 : 0;
    if (time === undefined || time.getTime() + from > this.#beganAt.getTime()) this.#sawFresh = true;
    else this.#lastPast = time;
  }

  #isTolerable(): boolean {
    const total = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    const minutes = Math.max(1, (Date.now() - this.#since.getTime()) / 60_000);
    return (
      [...this.#counts.keys()].every((fault) => tolerated.has(fault)) && total / minutes <= toleratedPerMinute
    );
  }
}
