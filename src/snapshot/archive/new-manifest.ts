import { formatId } from '../../core/units.js';
import type { StoreContents } from '../../at-rest/contents.js';
import type { Encryption } from '../../age/encryption.js';
import type { Manifest } from './manifest.js';
import type { SnapshotSource } from '../save/snapshot-source.js';

/** What is known of a snapshot once it is whole. */
export interface SnapshotFacts extends Pick<Manifest, 'plain' | 'stored' | 'tool'> {
  readonly createdAt: Date;
  readonly source: Pick<SnapshotSource, 'member' | 'mayLack'>;
  readonly contents: StoreContents;
  readonly encryption?: Encryption;
}

export function newManifest(facts: SnapshotFacts): Manifest {
  const { contents, plain, stored, tool, encryption } = facts;
  const { member, mayLack } = facts.source;
  return {
    format: 'sensu-ferry',
    version: 1,
    createdAt: facts.createdAt.toISOString(),
    tool,
    etcd: {
      version: member.etcdVersion,
      clusterId: formatId(member.clusterId),
      memberId: formatId(member.id),
      memberName: member.name,
      revision: String(contents.revision),
    },
    sensu: {
      clusterId: contents.sensuClusterId ?? null,
      databaseVersion: contents.databaseVersion ?? null,
    },
    content: {
      keys: contents.keys,
      bytes: contents.bytes,
      leases: contents.leases,
      prefixes: [...contents.prefixes],
      digest: contents.digest,
    },
    plain,
    stored,
    ...(encryption && { encrypted: encryptionFacts(encryption) }),
    notIncluded: [
      'backend.yml, environment files and TLS files of the backends',
      ...(mayLack === undefined ? [] : [mayLack]),
    ],
  };
}

function encryptionFacts(encryption: Encryption): NonNullable<Manifest['encrypted']> {
  if ('passphrase' in encryption) return { passphrase: true };
  return { recipients: [...encryption.recipients] };
}
