import type { Snapshots } from '../../etcd/facets/maintenance.js';
import type { KvReader } from '../../etcd/facets/kv.js';
import type { MemberChoice } from '../../etcd/snapshot-member.js';
import { readClusterId } from '../../at-rest/cluster-id.js';

/** The member that a snapshot shows, as manifests name it. */
interface SourceMember {
  readonly name: string;
  readonly id: bigint;
  readonly clusterId: bigint;
  /** Of a member that does not run: the version that its cluster has agreed on. */
  readonly etcdVersion: string;
}

/** Where a snapshot comes from: a running member, or the files of a stopped one. */
export interface SnapshotSource {
  /** An endpoint or a folder, for sentences. */
  readonly place: string;
  readonly member: SourceMember;
  /** What may be missing in it that the cluster had; undefined when nothing is. */
  readonly mayLack?: string | undefined;
  /** About how many bytes will come. */
  readonly size: number;
  /** The snapshot, its sha256 at the end. */
  bytes(): AsyncIterable<Buffer>;
  /** Sensu's, for the name of the file. */
  sensuClusterId(): Promise<string | undefined>;
}

export function runningMember(
  client: KvReader & Snapshots,
  { endpoint, name, status }: MemberChoice,
): SnapshotSource {
  const { memberId, clusterId, version } = status;
  return {
    place: endpoint,
    member: { name, id: memberId, clusterId, etcdVersion: version },
    size: Number(status.dbSize),
    bytes: () => client.snapshot(endpoint),
    sensuClusterId: () => readClusterId(client),
  };
}
