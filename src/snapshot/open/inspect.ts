import type { DataDirectory } from '../../etcd-files/data-directory/data-directory.js';
import type { SnapshotStatus } from '../../etcd-files/mvcc/status-hash.js';
import type { FileSource, StoreFile } from '../../etcd-files/mvcc/store-file.js';
import type { StoreMetadata } from '../../etcd-files/mvcc/store-metadata.js';
import type { Context } from '../../core/context.js';
import { readContents, type StoreContents } from '../../at-rest/contents.js';
import { openStore, type OpenedStore, type StoreAccess } from './open.js';
import { asFerryError } from '../../at-rest/store-view.js';

/** Everything that is told of a store at rest. Holds API keys: see `NamedApiKey`. */
export interface Inspection extends Pick<OpenedStore, 'path' | 'kind' | 'manifest' | 'hashChecked' | 'size'> {
  readonly contents: StoreContents;
  readonly etcd: EtcdFacts;
  /** Only of a data directory. */
  readonly replay: ReplayFacts | undefined;
  /** What `etcdutl snapshot status` says; not of a data directory. */
  readonly status: SnapshotStatus | undefined;
}

export type EtcdFacts = Pick<
  StoreMetadata,
  | 'compactedRevision'
  | 'members'
  | 'alarms'
  | 'authEnabled'
  | 'users'
  | 'roles'
  | 'clusterVersion'
  | 'storageVersion'
  | 'consistentIndex'
> & { readonly revision: bigint };

export type ReplayFacts = Pick<
  DataDirectory,
  'dbRevision' | 'memberId' | 'clusterId' | 'useUnknown' | 'agreement'
> &
  Pick<DataDirectory['replayed'], 'entries' | 'toIndex' | 'beyondCommit' | 'leftOut'> & {
    /** The last write of the WAL was cut short; etcd drops it too. */
    readonly torn: boolean;
  };

/** @throws FerryError as `openStore` */
export async function inspectStore(
  context: Context,
  path: string,
  access?: StoreAccess,
): Promise<Inspection> {
  const store = await openStore(path, context, access);
  try {
    const contents = await readContents(store, context, (done) => {
      context.report.progress({ task: 'Inspecting', unit: 'keys', done });
    });
    context.signal.throwIfAborted();
    return {
      path,
      kind: store.kind,
      manifest: store.manifest,
      hashChecked: store.hashChecked,
      size: store.size,
      contents,
      etcd: etcdFacts(store.file),
      replay: store.stopped && replayFacts(store.stopped.directory),
      status: store.plain === undefined ? undefined : await statusOf(store.plain, path),
    };
  } finally {
    store.close();
  }
}

function etcdFacts(file: StoreFile): EtcdFacts {
  const { revision, compactedRevision, members, alarms, authEnabled, users, roles } = file;
  const { clusterVersion, storageVersion, consistentIndex } = file;
  return {
    ...{ revision, compactedRevision, members, alarms, authEnabled, users, roles },
    ...{ clusterVersion, storageVersion, consistentIndex },
  };
}

function replayFacts(directory: DataDirectory): ReplayFacts {
  const { dbRevision, memberId, clusterId, useUnknown, agreement, replayed } = directory;
  const { entries, toIndex, beyondCommit, leftOut, tornTail } = replayed;
  const torn = tornTail !== undefined;
  return {
    ...{ dbRevision, memberId, clusterId, useUnknown, agreement },
    ...{ entries, toIndex, beyondCommit, leftOut, torn },
  };
}

async function statusOf(plain: FileSource, path: string): Promise<SnapshotStatus> {
  const { snapshotStatus } = await import('../../etcd-files/mvcc/status-hash.js');
  try {
    return snapshotStatus(plain);
  } catch (error) {
    throw asFerryError(error, path);
  }
}
