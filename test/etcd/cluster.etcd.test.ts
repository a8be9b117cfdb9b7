import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ConnectOptions } from '../../src/etcd/connect-options.js';
import { connect } from '../../src/etcd/connect.js';
import { freePorts } from '../../src/etcd/throwaway/free-ports.js';
import { enableAuth, etcdVersions, startEtcd, type EtcdOptions, type RunningEtcd } from '../support/etcd.js';

/** What `localhost` is resolved to where etcd is asked for its members. */
const addresses = vi.hoisted(() => ({ ofLocalhost: [{ address: '127.0.0.1', family: 4 }] }));
vi.mock('node:dns/promises', () => ({ lookup: () => Promise.resolve(addresses.ofLocalhost) }));

let alone: RunningEtcd;
let three: RunningEtcd;
beforeAll(async () => {
  [alone, three] = await Promise.all([startEtcd(), startEtcd({ members: 3 })]);
});
afterAll(() => Promise.all([alone.stop(), three.stop()]));

async function failureOf(options: ConnectOptions): Promise<unknown> {
  const outcome = await connect(options).catch((error: unknown) => error);
  if (outcome instanceof Error) return outcome;
  throw new Error('It connected.');
}

test('members of two clusters are refused, with the ids of both', async () => {
  const endpoints = [three.endpoints[0]!, alone.endpoint, three.endpoints[1]!];
  const [a, b] = await Promise.all(
    [three, alone].map(async (etcd) => (await etcd.connect()).cluster.id!.toString(16)),
  );
  const failure = await failureOf({ endpoints });
  expect(failure).toMatchObject({ kind: 'refused', code: 'SEVERAL_CLUSTERS' });
  expect((failure as Error).message).toBe(
    `The endpoints lead to 2 etcd clusters: ${a!} (${endpoints[0]!}, ${endpoints[2]!}), ${b!} (${alone.endpoint}).`,
  );
});

test('members that are not named are told, quietly', async () => {
  const said: string[] = [];
  const warn = vi.fn();
  const report = { info: (sentence: string) => said.push(sentence), warn };
  const { cluster } = await three.connect({ endpoints: [three.endpoints[1]!], report });
  expect(cluster.voters).toEqual([three.endpoints[1]]);
  expect(cluster.unnamed.map(({ name }) => name).sort()).toEqual(['etcd-1', 'etcd-3']);
  expect(said.join()).toMatch(/has 3 members; not among the endpoints: etcd-\d \(http/);
  expect(warn).not.toHaveBeenCalled();
});

test('one etcd by two names is one voter', async () => {
  const { cluster } = await alone.connect({
    endpoints: [alone.endpoint, alone.endpoint.replace('127.0.0.1', 'localhost')],
  });
  expect(cluster).toMatchObject({ voters: [alone.endpoint], unnamed: [], passedOver: [] });
});

test('a name that leads to two clusters is refused', async () => {
  const port = Number(new URL(alone.endpoint).port);
  const there = `http://127.0.0.2:${port}`;
  await startEtcd({
    flags: [`--listen-client-urls=${there}`, `--advertise-client-urls=${there}`],
    until: 'test',
  });
  addresses.ofLocalhost = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
  onTestFinished(() => void (addresses.ofLocalhost = [{ address: '127.0.0.1', family: 4 }]));
  const endpoint = `http://localhost:${port}`;
  const failure = await failureOf({ endpoints: [endpoint] });
  expect(failure).toMatchObject({ code: 'SEVERAL_CLUSTERS' });
  expect((failure as Error).message).toContain(`${endpoint} at 127.0.0.2`);
});

/** Two etcds that were each started alone on a copy of one member's files: all ids are the same. */
async function startTwins(
  options: EtcdOptions,
  prepare?: (origin: RunningEtcd) => Promise<unknown>,
): Promise<readonly RunningEtcd[]> {
  const origin = await startEtcd({ version: etcdVersions.at(-1)!, until: 'test' });
  await prepare?.(origin);
  const [member] = origin.members;
  await member!.stop();
  const folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-twins-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return Promise.all(
    ['a', 'b'].map(async (name) => {
      const existing = { dataDir: join(folder, name, 'data'), walDir: join(folder, name, 'wal') };
      await cp(member!.dataDir, existing.dataDir, { recursive: true });
      await cp(member!.walDir!, existing.walDir, { recursive: true });
      return startEtcd({ version: origin.version, ...options, existing, until: 'test' });
    }),
  );
}

describe('members that were restored each for itself', () => {
  test('are told apart by the members that they know', async () => {
    const twins = await startTwins({});
    const failure = await failureOf({ endpoints: twins.map(({ endpoint }) => endpoint) });
    expect(failure).toMatchObject({ kind: 'refused', code: 'SEVERAL_CLUSTERS' });
    expect((failure as Error).message).toMatch(/several etcd clusters, all with the id/);
  });

  // Fresh from one snapshot, nothing that they say differs.
  test('are told apart where they advertise the same URL', async () => {
    const twins = await startTwins({ flags: ['--advertise-client-urls=http://etcd.example:2379'] });
    const failure = await failureOf({ endpoints: twins.map(({ endpoint }) => endpoint) });
    expect(failure).toMatchObject({ kind: 'refused', code: 'SEVERAL_CLUSTERS' });
    expect((failure as Error).message).toMatch(/two etcd clusters with the same ids/);
  });
});

// Such a user sees no more than a revision, and twins have the same.
test.each(['root', 'reader'])('copies of one member with auth are told apart as %s', async (username) => {
  const flags = ['--advertise-client-urls=http://etcd.example:2379'];
  const twins = await startTwins({ flags }, async (origin) => {
    const { auth } = await origin.connect();
    await auth.addUser('reader', 'root-password');
    return enableAuth(origin);
  });
  const credentials = { username, password: 'root-password' };
  const failure = await failureOf({ endpoints: twins.map(({ endpoint }) => endpoint), credentials });
  expect(failure).toMatchObject({ kind: 'refused', code: 'SEVERAL_CLUSTERS' });
  const { endpoint } = twins[0]!;
  const urls = [endpoint, endpoint.replace('127.0.0.1', 'localhost')];
  expect((await twins[0]!.connect({ endpoints: urls, credentials })).cluster.voters).toEqual([endpoint]);
});

// From 3.6 a learner refuses in another gRPC code than before.
test.each(etcdVersions)(
  'a learner of etcd %s is passed over, and alone is no member to ask',
  async (version) => {
    const etcd = await startEtcd({ version, until: 'test' });
    const learner = await addLearner(etcd);
    const { cluster, range } = await etcd.connect({ endpoints: [learner, etcd.endpoint] }).then((client) => ({
      cluster: client.cluster,
      range: client.range({ start: Buffer.from('a'), countOnly: true }),
    }));
    expect(await range).toMatchObject({ count: 0n });
    expect(cluster).toMatchObject({ voters: [etcd.endpoint], learners: [learner], unnamed: [] });
    expect(cluster.passedOver).toEqual([{ endpoint: learner, reason: 'it is a learner' }]);
    expect(await failureOf({ endpoints: [learner] })).toMatchObject({
      kind: 'source',
      code: 'NO_HEALTHY_MEMBER',
      message: expect.stringContaining(`${learner}: it is a learner`) as string,
    });
  },
);

/** Starts a learner of that cluster, which ends with the test. Its endpoint. */
async function addLearner(etcd: RunningEtcd): Promise<string> {
  const [client, peer] = (await freePorts(2)).map((port) => `http://127.0.0.1:${port}`) as [string, string];
  await promisify(execFile)(
    etcd.binaries.etcdctl,
    ['--endpoints', etcd.endpoint, 'member', 'add', 'learner', '--learner', `--peer-urls=${peer}`],
    { env: { ETCDCTL_API: '3' } },
  );
  const [{ name, peerUrl }] = etcd.members as [RunningEtcd['members'][0]];
  const flags = [
    `--initial-cluster=${name}=${peerUrl},learner=${peer}`,
    '--initial-cluster-state=existing',
    `--name=learner`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
  ];
  await startEtcd({ version: etcd.version, flags, until: 'test' });
  return client;
}
