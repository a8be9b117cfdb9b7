import { FerryError } from '../core/errors.js';
import { formatId } from '../core/units.js';
import type { Alarms } from './facets/maintenance.js';
import type { MemberStatus, Members, PassedOver } from './facets/cluster.js';
import { noHealthyMember } from './cluster.js';

export interface MemberChoice {
  readonly endpoint: string;
  readonly name: string;
  readonly status: MemberStatus;
  readonly passedOver: readonly PassedOver[];
}

/** Entries of the raft log that a member may be behind the furthest one and still count as caught up. */
const largestLag = 1000n;

/**
 * Chooses one healthy, caught-up member to take a snapshot of: a snapshot is that one member's state only. A
 * follower comes first, to leave the leader its work.
 * @throws FerryError `source` when no member is fit
 */
export async function chooseSnapshotMember(client: Members & Alarms): Promise<MemberChoice> {
  const candidates = await Promise.all(client.endpoints.map((endpoint) => look(client, endpoint)));
  const corrupt = new Set(
    (await client.alarms()).filter(({ type }) => type === 'CORRUPT').map(({ memberId }) => memberId),
  );
  const furthest = candidates
    .map(({ status }) => status?.raftIndex ?? 0n)
    .reduce((a, b) => (a > b ? a : b), 0n);
  const judged = candidates.map((candidate) => ({
    ...candidate,
    fault: faultOf(candidate, corrupt, furthest),
  }));
  const fit = judged.flatMap(({ endpoint, status, fault }) =>
    status !== undefined && fault === undefined ? [{ endpoint, status }] : [],
  );
  const passedOver = judged.flatMap(({ endpoint, fault: reason }) =>
    reason === undefined ? [] : [{ endpoint, reason }],
  );
  const chosen = fit.find(({ status }) => status.leader !== status.memberId) ?? fit[0];
  if (chosen === undefined) throw noHealthyMember(passedOver);
  return { ...chosen, name: await nameOf(client, chosen.status.memberId), passedOver };
}

interface Candidate {
  readonly endpoint: string;
  readonly status?: MemberStatus;
  readonly failure?: string;
}

async function look(client: Members, endpoint: string): Promise<Candidate> {
  try {
    return { endpoint, status: await client.status(endpoint) };
  } catch (error) {
    // A wrong password concerns all members, and is the operator's to mend.
    if (!(error instanceof FerryError) || error.kind === 'denied') throw error;
    return { endpoint, failure: error.message };
  }
}

function faultOf(
  { status, failure }: Candidate,
  corrupt: ReadonlySet<bigint>,
  furthest: bigint,
): string | undefined {
  if (status === undefined) return failure;
  if (status.isLearner) return 'it is a learner';
  if (status.leader === 0n) return 'it sees no leader';
  if (corrupt.has(status.memberId)) return 'it has a CORRUPT alarm';
  // Status lists a raised NOSPACE alarm as an error; such a store can still be read in full.
  const errors = status.errors.filter((text) => !text.includes('NOSPACE'));
  if (errors.length > 0) return `it reports ${errors.join('; ')}`;
  // 3.3 and older do not tell what they have applied.
  const applied = status.raftAppliedIndex === 0n ? status.raftIndex : status.raftAppliedIndex;
  if (furthest - applied > largestLag) return `it is ${furthest - applied} log entries behind`;
  return undefined;
}

async function nameOf(client: Members, memberId: bigint): Promise<string> {
  const members = await client.members();
  return members.find(({ id }) => id === memberId)?.name ?? formatId(memberId);
}
