import type { Encryption } from '../../age/encryption.js';
import type { EtcdClient } from '../../etcd/client.js';
import type { Storage } from '../../storage/storage.js';
import { fileName } from '../keep/file-name.js';
import { chooseSnapshotMember, type MemberChoice } from '../../etcd/snapshot-member.js';
import { runningMember, type SnapshotSource } from './snapshot-source.js';

/** Where a snapshot goes: a storage, or a stream that takes one. */
export type Destination = Pick<Storage, 'remote' | 'create' | 'pathOf' | 'removeUnfinished'>;

export interface SaveOptions {
  readonly destination: Destination;
  /** First part of the file's name; by default `sensu-` and the first 8 digits of Sensu's cluster id. */
  readonly name?: string;
  /** Only of archives. */
  readonly encryption?: Encryption;
  /** Name and version of this program, for the manifest. */
  readonly tool: string;
}

export interface SavePlan extends SaveOptions {
  readonly source: SnapshotSource;
}

/** Of a running cluster. */
export interface LiveSavePlan extends SavePlan {
  /** Members that were not passed over when the connection was made. */
  readonly passedOver: MemberChoice['passedOver'];
}

export interface SavedSnapshot {
  /** As `Storage.pathOf` has it. */
  readonly path: string;
  readonly source: SnapshotSource;
  readonly revision: bigint;
  /** Of the etcd snapshot, trailer included. */
  readonly size: number;
  readonly sha256: string;
  /** Bytes of the file. */
  readonly storedSize: number;
  readonly milliseconds: number;
}

export async function planSave(client: EtcdClient, options: SaveOptions): Promise<LiveSavePlan> {
  const choice = await chooseSnapshotMember(client);
  const known = new Set(client.cluster.passedOver.map(({ endpoint }) => endpoint));
  const passedOver = choice.passedOver.filter(({ endpoint }) => !known.has(endpoint));
  return { ...options, source: runningMember(client, choice), passedOver };
}

/** The name for a snapshot without its ending. */
export function nameFor(
  { name }: SavePlan,
  { revision, sensuClusterId }: { readonly revision: bigint; readonly sensuClusterId?: string | undefined },
  createdAt: Date,
): string {
  const series = name ?? `sensu-${sensuClusterId?.slice(0, 8) ?? 'unknown'}`;
  return fileName({ series, createdAt, revision });
}
