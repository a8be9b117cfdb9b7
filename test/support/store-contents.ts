import type { Etcd3 } from 'etcd3';
import type { DataDirectory } from '../../src/etcd-files/data-directory/data-directory.js';

/** What a store holds, as text: a difference is then readable. */
interface Contents {
  readonly revision: string;
  readonly keys: readonly string[];
  readonly leases: readonly string[];
}

export async function contentsOf(client: Etcd3): Promise<Contents> {
  const everything = { key: Buffer.of(0), range_end: Buffer.of(0) };
  const { kvs, header } = await client.kv.range(everything);
  const leases: string[] = [];
  for (const { ID } of (await client.leaseClient.leaseLeases()).leases) {
    const { grantedTTL } = await client.leaseClient.leaseTimeToLive({ ID });
    leases.push(`${ID} for ${grantedTTL} s`);
  }
  return {
    revision: header.revision,
    keys: kvs.map(({ key, value, create_revision, mod_revision, version, lease }) =>
      [key, value, create_revision, mod_revision, version, lease].join(' '),
    ),
    leases: leases.sort(),
  };
}

export function contentsAtRest(store: DataDirectory): Contents {
  return {
    revision: store.revision.toString(),
    keys: [...store.entries()]
      .flat()
      .map(({ key, value, createRevision, modRevision, version, lease = 0n }) =>
        [key, value, createRevision, modRevision, version, lease].join(' '),
      ),
    leases: store.leases.map(({ id, ttl }) => `${id} for ${ttl} s`).sort(),
  };
}
