import { LogOutline } from '../../../src/etcd-files/data-directory/log-outline.js';
import type { MemberLog } from '../../../src/etcd-files/data-directory/agreement.js';

/** An entry by its term and what it is, such as `2:w17`; a change of the members is `2:+6` or `2:-3`. */
type Entry = `${number}:${string}`;

interface Node {
  readonly log: Entry[];
  term: number;
  /** What it knows to be agreed on, and what of that it has on record. */
  commit: number;
  recorded: number;
}

/** The log that all members have once this election is over. */
export interface Outcome {
  readonly leader: number;
  readonly log: readonly Entry[];
}

export interface Step {
  readonly type: string;
  readonly member: number;
  readonly other: number;
  readonly lazy: boolean;
}

const termOf = (entry: Entry | undefined): number => (entry === undefined ? 0 : Number(entry.split(':')[0]));

/**
 * Raft, as its paper has it, without a network: a step is a message that arrives. Members vote for whoever has a log as
 * good as theirs; a leader counts an entry of its own term as agreed on when a majority has it; changes of the members are
 * in force once they are applied. As in etcd, how far a member's log is agreed on is put on record with its next entries or
 * its next vote at the latest, and before that or not.
 */
export class RaftModel {
  readonly #nodes = new Map<number, Node>();
  readonly #first: readonly number[];
  #leader = 0;
  #written = 0;
  /** The last entry that a leader has told a client about. */
  acknowledged = 0n;

  constructor(count: number) {
    this.#first = Array.from({ length: count }, (_, i) => i + 1);
    for (const id of this.#first) this.#nodes.set(id, { log: [], term: 0, commit: 0, recorded: 0 });
    this.#elect(1);
  }

  get count(): number {
    return this.#nodes.size;
  }

  step({ type, member, other, lazy }: Step): void {
    const pick = (n: number): number => (n % this.count) + 1;
    if (type === 'elect') this.#elect(pick(member));
    else if (type === 'write') this.#append(`w${++this.#written}`);
    else if (type === 'replicate') this.#replicate(pick(other), lazy);
    else this.#changeMember(pick(member), lazy);
  }

  #votersOf(id: number, upTo: number): ReadonlySet<number> {
    const voters = new Set(this.#first);
    for (const entry of this.#nodes.get(id)!.log.slice(0, upTo)) {
      const [, change] = entry.split(':');
      if (change!.startsWith('+')) voters.add(Number(change));
      else if (change!.startsWith('-')) voters.delete(-Number(change));
    }
    return voters;
  }

  #yields(voter: Node, candidate: Node): boolean {
    const [own, its] = [termOf(voter.log.at(-1)), termOf(candidate.log.at(-1))];
    return own < its || (own === its && voter.log.length <= candidate.log.length);
  }

  /** An election that fails leaves everything but the terms as it was. */
  #elect(id: number): void {
    const candidate = this.#nodes.get(id)!;
    const voters = this.#votersOf(id, candidate.commit);
    if (!voters.has(id)) return;
    const granting = [...voters].filter((voter) => this.#yields(this.#nodes.get(voter)!, candidate));
    if (granting.length * 2 <= voters.size) return;
    candidate.term = Math.max(...[...this.#nodes.values()].map(({ term }) => term)) + 1;
    for (const voter of granting.map((each) => this.#nodes.get(each)!)) {
      voter.term = candidate.term;
      voter.recorded = voter.commit;
    }
    this.#leader = id;
    this.#append('empty');
  }

  #append(what: string): void {
    const leader = this.#nodes.get(this.#leader)!;
    leader.log.push(`${leader.term}:${what}`);
    leader.recorded = leader.commit;
    this.#count();
  }

  /** One change at a time, and none before the leader has something of its own term agreed on. */
  #changeMember(id: number, add: boolean): void {
    const leader = this.#nodes.get(this.#leader)!;
    const pending = leader.log.slice(leader.commit).some((entry) => /:[+-]/.test(entry));
    if (pending || termOf(leader.log[leader.commit - 1]) !== leader.term) return;
    const voters = this.#votersOf(this.#leader, leader.commit);
    if (!add) {
      if (voters.size > 1 && voters.has(id) && id !== this.#leader) this.#append(`-${id}`);
      return;
    }
    if (this.count >= 6) return;
    const added = this.count + 1;
    this.#nodes.set(added, { log: [], term: 0, commit: 0, recorded: 0 });
    this.#append(`+${added}`);
  }

  #replicate(id: number, lazy: boolean): void {
    const [leader, follower] = [this.#nodes.get(this.#leader)!, this.#nodes.get(id)!];
    if (id === this.#leader) {
      leader.recorded = leader.commit;
      return;
    }
    // One that has promised itself to a later leader takes nothing.
    if (follower.term > leader.term) return;
    let isRecorded = follower.term !== leader.term || !lazy;
    follower.term = leader.term;
    let same = 0;
    while (same < follower.log.length && follower.log[same] === leader.log[same]) same += 1;
    const upTo = lazy ? Math.min(same + 1, leader.log.length) : leader.log.length;
    if (follower.log[same] !== leader.log[same]) follower.log.length = same;
    isRecorded ||= upTo > follower.log.length;
    follower.log.push(...leader.log.slice(follower.log.length, upTo));
    follower.commit = Math.max(follower.commit, Math.min(leader.commit, follower.log.length));
    if (isRecorded) follower.recorded = follower.commit;
    this.#count();
  }

  #count(): void {
    const leader = this.#nodes.get(this.#leader)!;
    for (let index = leader.log.length; index > leader.commit; index--) {
      if (termOf(leader.log[index - 1]) !== leader.term) return;
      const voters = [...this.#votersOf(this.#leader, leader.commit)];
      const having = voters.filter((id) => {
        const { log, term } = this.#nodes.get(id)!;
        return term <= leader.term && log[index - 1] === leader.log[index - 1];
      });
      if (having.length * 2 <= voters.length) continue;
      leader.commit = index;
      this.acknowledged = BigInt(Math.max(Number(this.acknowledged), index));
      return;
    }
  }

  logOf(id: number): MemberLog {
    const { log, recorded } = this.#nodes.get(id)!;
    const outline = new LogOutline();
    for (const [i, entry] of log.entries()) outline.add(BigInt(i + 1), BigInt(termOf(entry)), 0);
    const voters = new Set([...this.#votersOf(id, recorded)].map(BigInt));
    return { memberId: BigInt(id), voters, known: BigInt(recorded), outline };
  }

  /** Each member that is given tries for itself, as after a restart: with what it has on record, and the others' votes. */
  electionsAmong(given: readonly number[]): readonly Outcome[] {
    return given.flatMap((id) => {
      const candidate = this.#nodes.get(id)!;
      const voters = this.#votersOf(id, candidate.recorded);
      const votes = given.filter(
        (voter) => voters.has(voter) && this.#yields(this.#nodes.get(voter)!, candidate),
      );
      return voters.has(id) && votes.length * 2 > voters.size ? [{ leader: id, log: candidate.log }] : [];
    });
  }
}
