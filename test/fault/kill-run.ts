import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdBinaries } from '../../src/etcd/throwaway/binaries.js';
import { openStoppedMembers } from '../../src/at-rest/stopped-members.js';
import { contentsAtRest, contentsOf } from '../support/store-contents.js';
import { recordedPath } from '../snapshot/verify/recorded.js';
import { silentContext } from '../support/silent-context.js';
import { KilledCluster, type Member } from './killed-cluster.js';

export interface KillPlan {
  readonly binaries: EtcdBinaries;
  readonly members: number;
  readonly restored: boolean;
  /** 0 to 1, at will: which order, which pauses. */
  readonly random: () => number;
}

export interface KillOutcome {
  readonly acknowledged: number;
  /** Writes that were acknowledged and are not in the snapshot. */
  readonly lost: number;
  /** Keys of the snapshot that the members do not hold when they are started again. */
  readonly invented: number;
  readonly equal: boolean;
  /** Whether all members, and a bare majority, are said to have all that was acknowledged. */
  readonly certain: boolean;
  /** Entries that the members have beyond what counts. */
  readonly leftOut: number;
  /** Whether what fewer than a majority hold is a prefix, and is said to be no more. Undefined for one member. */
  readonly prefix: boolean | undefined;
}

type Contents = Awaited<ReturnType<typeof contentsOf>>;

/**
 * Kills the members of a cluster one after the other while clients write to its leader, each as fast as it is answered,
 * and compares what is read of their directories with what they hold when they are started again.
 */
export async function killRun(plan: KillPlan): Promise<KillOutcome> {
  const { binaries, members, restored, random } = plan;
  // A source with another number of voters: those that its db file names are wrong.
  const snapshot = restored ? recordedPath(members === 1 ? 'cluster3-6.12.0' : 'single-6.7.5') : undefined;
  const cluster = await KilledCluster.start(binaries, members, snapshot);
  try {
    const acknowledged = await writeAndKill(cluster, random);
    const all = await readStopped(cluster.members);
    const any = (count: number): readonly Member[] => shuffled(cluster.members, random).slice(0, count);
    const most = await readStopped(any((members + 1) / 2));
    const few = members === 1 ? undefined : await readStopped(any((members - 1) / 2));
    const again = await startedAgain(cluster, all.leftOut);
    const held = new Set(again.keys);
    const lacking = ({ contents }: Stopped): number => {
      const read = new Set(contents.keys.map(nameAndRevision));
      return acknowledged.filter((write) => !read.has(write)).length;
    };
    return {
      acknowledged: acknowledged.length,
      lost: lacking(all) + lacking(most),
      invented: all.contents.keys.filter((key) => !held.has(key)).length,
      equal: JSON.stringify(all.contents) === JSON.stringify(again),
      certain: all.doubt === undefined && most.doubt === undefined,
      leftOut: [...all.leftOut.values()].reduce((sum, count) => sum + count, 0),
      prefix: few && few.doubt === 'few-voters' && isPrefix(few.contents, all.contents),
    };
  } finally {
    await cluster.end();
  }
}

/** @returns each write that was acknowledged, as `nameAndRevision` */
async function writeAndKill(cluster: KilledCluster, random: () => number): Promise<readonly string[]> {
  const leader = await cluster.leader();
  const client = cluster.client(leader);
  const acknowledged: string[] = [];
  let over = false;
  const write = async (writer: number): Promise<void> => {
    for (let n = 0; !over; n++) {
      const key = Buffer.from(`/sensu.io/w${writer}-${n}`);
      const { header } = await client.kv.put({ key, value: Buffer.from(`value ${n}`) });
      acknowledged.push(`${key.toString()} ${header.revision}`);
    }
  };
  // One that is not answered ends: a second try could be the second write of its key.
  const writers = [0, 1, 2].map((writer) => write(writer).catch(() => undefined));
  await sleep(200 + 300 * random());
  const pause = random() < 0.5 ? 0 : 60;
  for (const member of killOrder(cluster.members, leader, random)) {
    void cluster.kill(member);
    if (pause > 0) await sleep(pause * random());
  }
  for (const member of cluster.members) await cluster.kill(member);
  over = true;
  client.close();
  await Promise.all(writers);
  return acknowledged;
}

/** The leader first, last, or anywhere. */
function killOrder(members: readonly Member[], leader: Member, random: () => number): readonly Member[] {
  const others = shuffled(members, random).filter((member) => member !== leader);
  const place = [0, others.length, Math.floor(random() * members.length)][Math.floor(random() * 3)]!;
  return [...others.slice(0, place), leader, ...others.slice(place)];
}

function shuffled<Item>(items: readonly Item[], random: () => number): readonly Item[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

interface Stopped {
  readonly contents: Contents;
  readonly doubt: string | undefined;
  /** By data directory. */
  readonly leftOut: ReadonlyMap<string, number>;
}

async function readStopped(members: readonly Member[]): Promise<Stopped> {
  const { directory, newest, others, agreement, passedOver } = await openStoppedMembers(
    silentContext(),
    members.map(({ dataDir }) => dataDir),
  );
  try {
    if (passedOver.length > 0) throw new Error(`${passedOver[0]!.path}: ${passedOver[0]!.reason}`);
    const leftOut = new Map([newest, ...others].map((member) => [member.path, Number(member.leftOut)]));
    return { contents: contentsAtRest(directory), doubt: agreement.doubt, leftOut };
  } finally {
    directory.close();
  }
}

/**
 * What nobody but some had may come back or not, as the election falls. So those without it start first, where they are a
 * majority, and elect one of them.
 */
async function startedAgain(cluster: KilledCluster, leftOut: ReadonlyMap<string, number>): Promise<Contents> {
  const without = cluster.members.filter(({ dataDir }) => leftOut.get(dataDir) === 0);
  const first = without.length * 2 > cluster.members.length ? without : cluster.members;
  await cluster.startAgain(first);
  await cluster.startAgain(cluster.members.filter((member) => !first.includes(member)));
  const client = cluster.client(cluster.members[0]!);
  try {
    return await contentsOf(client);
  } finally {
    client.close();
  }
}

/** As `contentsOf` has a key: its name, value, revisions, version and lease. Names of the writers have no blanks. */
function nameAndRevision(key: string): string {
  const fields = key.split(' ');
  return `${fields[0]!} ${fields.at(-3)!}`;
}

const revisionOf = (key: string): bigint => BigInt(key.split(' ').at(-3)!);

/** The writers write each key once: the store at an earlier revision is the keys up to it. */
function isPrefix(part: Contents, whole: Contents): boolean {
  const upTo = BigInt(part.revision);
  const earlier = whole.keys.filter((key) => revisionOf(key) <= upTo);
  return upTo <= BigInt(whole.revision) && part.keys.join('\n') === earlier.join('\n');
}
