import type { Reporter } from '../core/context.js';
import { FerryError } from '../core/errors.js';
import { formatId } from '../core/units.js';
import type { Cluster, Member, PassedOver } from './facets/cluster.js';
import type { Door } from './transport/member-transport.js';

/** What the member behind a door said when it was asked which cluster it belongs to. */
export interface MemberAnswer {
  readonly door: Door;
  readonly role: 'voter' | 'learner' | 'not-told';
  readonly hasLeader: boolean;
  /** Undefined where this user may not know, or a proxy does not. */
  readonly clusterId: bigint | undefined;
  readonly memberId: bigint | undefined;
  /** The members that it knows; empty where that is not told. */
  readonly members: readonly Member[];
}

/** @throws FerryError NO_HEALTHY_MEMBER (`source`) where only learners answer */
export function clusterOf(
  endpoints: readonly string[],
  answers: readonly MemberAnswer[],
  away: readonly PassedOver[],
): Cluster {
  const learners = unique(answers.filter(({ role }) => role === 'learner').map(({ door }) => door.endpoint));
  const passedOver = [...learners.map((endpoint) => ({ endpoint, reason: 'it is a learner' })), ...away];
  const others = answers.filter(({ role }) => role !== 'learner');
  if (others.length === 0) throw noHealthyMember(passedOver);
  const members = answers.find((answer) => answer.members.length > 0)?.members ?? [];
  return {
    id: answers.find(({ clusterId }) => clusterId !== undefined)?.clusterId,
    members,
    voters: distinctVoters(others),
    leaderless: others.every(({ hasLeader }) => !hasLeader),
    learners,
    passedOver,
    unnamed: unnamedOf(members, answers, away),
    endpoints,
  };
}

/** Says once what an operator may not know of the endpoints that were given. */
export function reportCluster(
  { id, members, passedOver, unnamed }: Cluster,
  report: Pick<Reporter, 'info' | 'warn'>,
): void {
  for (const { endpoint, reason } of passedOver) report.warn(`${endpoint} is passed over: ${reason}`);
  if (unnamed.length === 0) return;
  const of = `The etcd cluster ${id === undefined ? '' : `${formatId(id)} `}has ${members.length} members`;
  report.info(`${of}; not among the endpoints: ${unnamed.map(memberWords).join(', ')}.`);
}

/** More than half of the voters must answer, or nothing can be written and little be read. */
export function describeQuorum({ members, voters, endpoints }: Cluster): string | undefined {
  const all = members.filter(({ isLearner }) => !isLearner).length || endpoints.length;
  if (voters.length > all / 2) return undefined;
  return `${voters.length} of its ${all} members ${voters.length === 1 ? 'answers' : 'answer'} (${voters.join(', ')})`;
}

export function noHealthyMember(passedOver: readonly PassedOver[]): FerryError {
  const reasons = passedOver.map(({ endpoint, reason }) => `${endpoint}: ${reason}`).join('; ');
  return new FerryError({
    kind: 'source',
    code: 'NO_HEALTHY_MEMBER',
    message: `No healthy member is among the endpoints (${reasons}).`,
    hint: 'Name the voting members, and bring one to health first: etcdctl endpoint status --cluster.',
  });
}

/** Members are compared by what distinguishes copies of one cluster, which have its id and often its members' too. */
export function knowSameMembers(answers: readonly MemberAnswer[]): boolean {
  // One that is cut off from the others may know an older list.
  const lists = answers.filter(({ members, hasLeader }) => members.length > 0 && hasLeader);
  const [first] = lists;
  if (first === undefined) return true;
  const known = new Set(first.members.map(({ id }) => id));
  return (
    lists.every(({ members }) => signature(members) === signature(first.members)) &&
    answers.every(({ memberId, hasLeader }) => memberId === undefined || !hasLeader || known.has(memberId))
  );
}

function signature(members: readonly Member[]): string {
  const rows = members.map(({ id, name, peerUrls, clientUrls }) =>
    JSON.stringify([String(id), name, [...peerUrls].sort(), [...clientUrls].sort()]),
  );
  return rows.sort().join();
}

/** @throws FerryError SEVERAL_CLUSTERS (`refused`) */
export function refuseSeveralIds(answers: readonly MemberAnswer[]): void {
  const places = new Map<bigint, Set<string>>();
  for (const { clusterId, door } of answers) {
    if (clusterId === undefined) continue;
    places.set(clusterId, (places.get(clusterId) ?? new Set()).add(doorWords(door)));
  }
  if (places.size < 2) return;
  const clusters = [...places].map(([id, doors]) => `${formatId(id)} (${[...doors].join(', ')})`);
  throw severalClusters(`The endpoints lead to ${places.size} etcd clusters: ${clusters.join(', ')}.`);
}

/** Of answers that agree on the id, but not on the members. */
export function severalOfOneId(answers: readonly MemberAnswer[]): FerryError {
  const id = answers.find(({ clusterId }) => clusterId !== undefined)?.clusterId ?? 0n;
  const views = answers
    .filter(({ members }) => members.length > 0)
    .map(({ door, members }) => `${doorWords(door)} knows ${members.map(memberWords).join(', ')}`);
  return severalClusters(
    `The endpoints lead to several etcd clusters, all with the id ${formatId(id)}: ${views.join('; ')}.`,
  );
}

export function twinMembers(first: MemberAnswer, second: MemberAnswer): FerryError {
  const ids = `cluster ${formatId(first.clusterId ?? 0n)}, member ${formatId(first.memberId ?? 0n)}`;
  return severalClusters(
    `${doorWords(first.door)} and ${doorWords(second.door)} are two etcd clusters with the same ids (${ids}).`,
  );
}

function severalClusters(message: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'SEVERAL_CLUSTERS',
    message,
    hint: 'Give the client URLs of one cluster: etcdctl endpoint status and etcdctl member list show which belong together. Members that were restored or started each for itself are clusters of one.',
  });
}

function distinctVoters(answers: readonly MemberAnswer[]): readonly string[] {
  const voters = new Map<bigint | string, string>();
  for (const { memberId, door } of answers) {
    const who = memberId ?? door.endpoint;
    if (!voters.has(who)) voters.set(who, door.endpoint);
  }
  return unique([...voters.values()]);
}

/** An endpoint that is away may be any of the members, unless one of them advertises it. */
function unnamedOf(
  members: readonly Member[],
  answers: readonly MemberAnswer[],
  away: readonly PassedOver[],
): readonly Member[] {
  const named = new Set(answers.map(({ memberId }) => memberId));
  const silent = new Set(away.map(({ endpoint }) => endpoint));
  const rest = members.filter(({ id }) => !named.has(id));
  const matched = rest.filter(({ clientUrls }) => clientUrls.some((url) => silent.has(url)));
  return matched.length < silent.size ? [] : rest.filter((member) => !matched.includes(member));
}

function memberWords({ id, name, clientUrls, isLearner }: Member): string {
  const place = clientUrls.length === 0 ? 'not started' : clientUrls.join(' ');
  return `${name || formatId(id)} (${place}${isLearner ? ', a learner' : ''})`;
}

function doorWords({ endpoint, address }: Door): string {
  return address === undefined ? endpoint : `${endpoint} at ${address}`;
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
