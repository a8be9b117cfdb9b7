import type { WithAuth } from './facets/auth.js';
import type { Members, Surveyed } from './facets/cluster.js';
import type { Kv } from './facets/kv.js';
import type { Leases } from './facets/leases.js';
import type { Maintenance } from './facets/maintenance.js';

/**
 * All that this program asks of etcd; what uses a part of it takes the facets that it uses. Numbers of 64 bits are
 * bigint, keys and values Buffers; every failure is a FerryError. Reads are retried on another member; a write is
 * retried only when it cannot have been applied, or applying it twice is harmless. An ended token is renewed.
 */
export interface EtcdClient extends Kv, Leases, Surveyed, Members, Maintenance, WithAuth {
  close(): Promise<void>;
}
