import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../core/errors.js';
import { singleKey, sensuRoot } from '../store/sensu-root.js';
import type { Cluster, PassedOver } from './facets/cluster.js';
import {
  clusterOf,
  knowSameMembers,
  refuseSeveralIds,
  severalOfOneId,
  twinMembers,
  type MemberAnswer,
} from './cluster.js';
import { hostOf } from './transport/endpoints.js';
import { membersCall, rangeCall, readHeader, readMembers } from './transport/messages.js';
import { isSameServer } from './same-server.js';
import type { Door } from './transport/member-transport.js';
import type { Transport } from './transport/transport.js';

/** Members learn of a change of members one after the other: so often, and so long apart, they are asked again. */
const attempts = 5;
const pauseMs = 300;

/**
 * Establishes that the endpoints lead to members of one cluster, and which. Ids alone do not tell: a store that was
 * restored has those of its source, and members that were restored each for itself have the same.
 * @throws FerryError SEVERAL_CLUSTERS (`refused`); NO_HEALTHY_MEMBER (`source`) where only learners answer; the first
 * endpoint's fault where none answers
 */
export async function surveyCluster(
  transport: Transport,
  reachable: readonly string[],
  faults: ReadonlyMap<string, FerryError>,
): Promise<Cluster> {
  const doors = (await Promise.all(reachable.map(doorsOf))).flat();
  for (let attempt = 1; ; attempt += 1) {
    const { answers, silent } = await askAll(transport, doors, faults);
    if (answers.length === 0) throw [...silent.values()][0]!;
    refuseSeveralIds(answers);
    if (knowSameMembers(answers)) {
      await refuseTwins(transport, answers);
      return clusterOf(transport.endpoints, answers, [...silent].map(passedOver));
    }
    if (attempt === attempts) throw severalOfOneId(answers);
    await sleep(pauseMs);
    transport.throwIfAborted();
  }
}

/** A name may have an address for each member; each of them is looked at. */
async function doorsOf(endpoint: string): Promise<readonly Door[]> {
  const host = hostOf(endpoint);
  if (isIP(host) !== 0) return [{ endpoint }];
  const addresses = new Set(
    (await lookup(host, { all: true }).catch(() => [])).map(({ address }) => address),
  );
  return addresses.size < 2 ? [{ endpoint }] : [...addresses].map((address) => ({ endpoint, address }));
}

interface Asked {
  readonly answers: readonly MemberAnswer[];
  /** Endpoints of which no door answers. */
  readonly silent: ReadonlyMap<string, FerryError>;
}

async function askAll(
  transport: Transport,
  doors: readonly Door[],
  faults: ReadonlyMap<string, FerryError>,
): Promise<Asked> {
  const asked = await Promise.all(
    doors.map(async (door) => [door, await answerOf(transport, door)] as const),
  );
  transport.throwIfAborted();
  const answers: MemberAnswer[] = [];
  const silent = new Map<string, FerryError>();
  for (const [{ endpoint }, answer] of asked) {
    if (answer instanceof FerryError) silent.set(endpoint, answer);
    else answers.push(answer);
  }
  for (const { door } of answers) silent.delete(door.endpoint);
  for (const [endpoint, fault] of faults) silent.set(endpoint, fault);
  // A learner lets nobody log in, so the voters come first.
  const identified = answers.map(async (answer) =>
    answer.role === 'learner' ? identifyLearner(transport, answer) : answer,
  );
  return { answers: await Promise.all(identified), silent };
}

/** A refused login concerns all members, and is the operator's to put right; other faults are those of one member. */
async function answerOf(transport: Transport, door: Door): Promise<MemberAnswer | FerryError> {
  try {
    return await askMember(transport, door);
  } catch (error) {
    if (error instanceof FerryError && error.kind !== 'denied') return error;
    throw error;
  }
}

async function askMember(transport: Transport, door: Door): Promise<MemberAnswer> {
  try {
    return await askForMembers(transport, door, true);
  } catch (error) {
    if (hasCode(error, 'ETCD_LEARNER')) return untold(door, 'learner', true);
    if (!hasCode(error, 'ETCD_NO_LEADER')) throw error;
  }
  try {
    return await askForMembers(transport, door, false);
  } catch (error) {
    // Without a leader nobody can log in.
    if (hasCode(error, 'ETCD_NO_LEADER') || isRefusal(error)) return untold(door, 'not-told', false);
    throw error;
  }
}

/**
 * Without a name first. Until 3.5.16 etcd tells everybody, and of several clusters one may not know the user; where
 * auth is off a name is refused.
 */
async function askForMembers(transport: Transport, door: Door, needsLeader: boolean): Promise<MemberAnswer> {
  const call = { ...membersCall, needsLeader };
  try {
    return told(door, await transport.ask(door, call), needsLeader);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (transport.credentials === undefined) return untold(door, 'not-told', needsLeader);
  }
  const token = await transport.logInAt(door);
  try {
    return told(door, await transport.ask(door, call, token), needsLeader);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return identified(untold(door, 'not-told', needsLeader), await askForHeader(transport, door, token));
  }
}

function told(door: Door, bytes: Buffer, hasLeader: boolean): MemberAnswer {
  const members = readMembers(bytes);
  const answer = identified({ door, role: 'voter', hasLeader, ...unknownIds, members }, bytes);
  const isLearner = members.some(({ id, isLearner }) => id === answer.memberId && isLearner);
  return isLearner ? { ...answer, role: 'learner' } : answer;
}

const unknownIds = { clusterId: undefined, memberId: undefined };

function untold(door: Door, role: MemberAnswer['role'], hasLeader: boolean): MemberAnswer {
  return { door, role, hasLeader, ...unknownIds, members: [] };
}

/** A proxy may leave the ids out. */
function identified(answer: MemberAnswer, bytes: Buffer | undefined): MemberAnswer {
  if (bytes === undefined) return answer;
  const { clusterId, memberId } = readHeader(bytes);
  return clusterId === 0n ? answer : { ...answer, clusterId, memberId };
}

/** A learner answers nothing but its status and reads from its own store. */
async function identifyLearner(transport: Transport, learner: MemberAnswer): Promise<MemberAnswer> {
  const anonymous = await askForHeader(transport, learner.door, undefined);
  if (anonymous !== undefined || transport.credentials === undefined) return identified(learner, anonymous);
  return identified(learner, await askForHeader(transport, learner.door, await transport.tokenIfAny()));
}

/** Undefined where etcd does not permit it. */
async function askForHeader(
  transport: Transport,
  door: Door,
  token: string | undefined,
): Promise<Buffer | undefined> {
  const call = rangeCall({ ...singleKey(sensuRoot.start), countOnly: true, serializable: true });
  return transport.ask(door, call, token).catch(() => undefined);
}

/** The same member by two ways is fine; two that have the same ids are not. */
async function refuseTwins(transport: Transport, answers: readonly MemberAnswer[]): Promise<void> {
  const firsts = new Map<bigint, MemberAnswer>();
  for (const answer of answers) {
    if (answer.memberId === undefined) continue;
    const first = firsts.get(answer.memberId);
    if (first === undefined) firsts.set(answer.memberId, answer);
    else if (!(await isSameServer(transport, first.door, answer.door))) throw twinMembers(first, answer);
  }
}

function passedOver([endpoint, fault]: readonly [string, FerryError]): PassedOver {
  const sentence = fault.message.replace(/\.$/, '');
  return { endpoint, reason: sentence.replace(`etcd at ${endpoint} `, 'it ').replace(`${endpoint} `, 'it ') };
}

function isRefusal(error: unknown): boolean {
  return hasCode(error, 'ETCD_AUTH_REQUIRED') || hasCode(error, 'ETCD_PERMISSION_DENIED');
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof FerryError && error.code === code;
}
