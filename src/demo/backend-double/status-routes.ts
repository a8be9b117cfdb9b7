import type { EtcdClient } from '../../etcd/client.js';
import { singleKey } from '../../store/sensu-root.js';
import { text, type Answer } from './answer.js';

/** A double, as its API needs to know it. */
export interface ApiDouble {
  readonly client: EtcdClient;
  /** `embedded`, or how it logs in: `/health` is wrong under password auth, and the double is as wrong. */
  readonly mode: 'embedded' | 'external' | 'external-with-password';
  readonly sensuVersion: string;
}

export async function clusterId({ client }: ApiDouble): Promise<Answer> {
  const { entries } = await client.range(singleKey(Buffer.from('/sensu.io/cluster_id')));
  return text(`${JSON.stringify(entries[0]?.value.toString('utf8') ?? '')}\n`);
}

/** Ids beyond 2^53 stand in the answer as numbers, as the real one writes them: a trap for JSON.parse. */
export async function health({ client, mode }: ApiDouble): Promise<Answer> {
  const healthy = mode !== 'external-with-password';
  const members = await client.members();
  const list = members.map(
    ({ id, name }) =>
      `{"MemberID":${id},"MemberIDHex":"${id.toString(16)}","Name":${JSON.stringify(name)},` +
      `"Err":${healthy ? '""' : '"etcdserver: user name is empty"'},"Healthy":${healthy}}`,
  );
  const memberId = members[0]?.id ?? 0n;
  return text(
    `{"Alarms":null,"ClusterHealth":[${list.join(',')}],` +
      `"Header":{"cluster_id":${memberId},"member_id":${memberId},"raft_term":2}}\n`,
  );
}

/** `etcdcluster` is the version of the first endpoint that answers; newer etcd refuses that to a user without root. */
export async function version({ client, mode, sensuVersion }: ApiDouble): Promise<Answer> {
  const status = await client.status(client.endpoints[0]!).catch(() => undefined);
  const cluster = status?.version ?? (mode === 'embedded' ? '3.5.0' : '');
  return text(
    JSON.stringify({
      etcd: { etcdserver: '3.5.15', etcdcluster: cluster },
      sensu_backend: sensuVersion,
      api_groups: { 'core/v2': 'v2.20.0', 'core/v3': 'v3.9.0' },
    }),
  );
}
