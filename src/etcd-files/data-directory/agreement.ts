import type { LogOutline } from './log-outline.js';

/** What the directory of a stopped member tells of the cluster's log. */
export interface MemberLog {
  readonly memberId: bigint;
  /** Who votes as far as the member knows; undefined where its files do not tell. */
  readonly voters: ReadonlySet<bigint> | undefined;
  /** The last entry that the member knows to be agreed on: on record in its log, or applied to its db file. */
  readonly known: bigint;
  readonly outline: LogOutline;
}

/**
 * Why a write that was acknowledged may be missing. `few-voters`: those whose logs are here could elect nobody.
 * `voters-unknown`: no log tells who votes. `older-copies`: those that could elect somebody lack what another one knows to
 * be agreed on, so they are not as they were when the cluster stopped.
 */
type Doubt = 'few-voters' | 'voters-unknown' | 'older-copies';

/** How much of the logs of stopped members counts. */
export interface Agreement {
  /** The last entry that counts. */
  readonly upTo: bigint;
  /** The logs that have it, and so all that counts. */
  readonly holders: readonly MemberLog[];
  /** Undefined when nothing that was acknowledged is missing. */
  readonly doubt: Doubt | undefined;
  /** Of the cluster's voters, as the log that knows most has them: how many there are, and how many logs are here. */
  readonly voters: { readonly all: number; readonly given: number } | undefined;
}

/**
 * Up to where do the logs count? Up to where every election among these members, and no others, would make it count.
 *
 * Started again, they elect one of those whose log a majority of the voters yields to; everything in the log of the elected
 * counts then. A write is acknowledged when a majority has it, so each log that can win has it. What only some of the logs
 * that can win have was never acknowledged, and is left out: whether it comes back is up to who is elected. What is on
 * record as agreed counts whatever the others say.
 * @param logs of one cluster, each member once; at least one
 */
export function agreementOf(logs: readonly MemberLog[]): Agreement {
  const knowing = logs.reduce((most, log) => (log.known > most.known ? log : most));
  const voters = knowing.voters && {
    all: knowing.voters.size,
    given: logs.filter(({ memberId }) => knowing.voters!.has(memberId)).length,
  };
  const onRecord = (doubt: Doubt): Agreement => {
    const holders = logs.filter((log) => log === knowing || holds(log, knowing, knowing.known));
    return { upTo: knowing.known, holders, doubt, voters };
  };
  const electable = logs.filter((log) => canWin(log, logs));
  if (electable.length === 0) return onRecord(voters === undefined ? 'voters-unknown' : 'few-voters');
  const [first] = electable as [MemberLog, ...MemberLog[]];
  const upTo = electable
    .map((log) => sharedUpTo(log, first))
    .reduce((least, index) => (index < least ? index : least));
  if (electable.some((log) => !holds(log, knowing, knowing.known))) return onRecord('older-copies');
  return { upTo, holders: logs.filter((log) => holds(log, first, upTo)), doubt: undefined, voters };
}

/** Whether the voters among these members can elect it. A member asks those that vote as far as it knows. */
function canWin({ memberId, voters, outline }: MemberLog, logs: readonly MemberLog[]): boolean {
  if (voters?.has(memberId) !== true) return false;
  const yielding = logs.filter((log) => voters.has(log.memberId) && log.outline.yieldsTo(outline));
  return yielding.length * 2 > voters.size;
}

function holds(log: MemberLog, other: MemberLog, index: bigint): boolean {
  return sharedUpTo(log, other) >= index;
}

/** How far two logs are the same. Of logs that do not overlap, what the one that ends earlier knows to be agreed on is. */
export function sharedUpTo(one: MemberLog, other: MemberLog): bigint {
  return one.outline.sharedWith(other.outline) ?? (one.known < other.known ? one.known : other.known);
}

/**
 * An entry that two logs of one cluster cannot both have: they are of different stores, restored with the same ids.
 * Undefined where there is none.
 */
export function contradiction(one: MemberLog, other: MemberLog): bigint | undefined {
  const differing = one.outline.differsAt(other.outline, one.outline.sharedWith(other.outline) ?? 0n);
  if (differing !== undefined) return differing;
  const agreed = one.known < other.known ? one.known : other.known;
  const [term, its] = [one.outline.termAt(agreed), other.outline.termAt(agreed)];
  return term !== undefined && its !== undefined && term !== its ? agreed : undefined;
}
