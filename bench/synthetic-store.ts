import { createHash } from 'node:crypto';
import { ProtoWriter } from '../src/protobuf/proto-writer.js';
import type { KeyRange, Lease, LeaseId, Revision, StoreEntry, StoreView } from '../src/store/view.js';

/**
 * A store of any size that looks like Sensu's: per entity a config, a state, and events of a keepalive and of
 * three checks; every 20th entity is a live agent, with a leased switch and a leased ring item. Values have the
 * size and roughly the compressibility of recorded ones (650 bytes on average, 1 to 6 with gzip).
 */
export function syntheticStore(keyCount: number): StoreView & { readonly keyCount: number } {
  const entities = Math.floor(keyCount / 6.1);
  const keys = allKeys(entities);
  return {
    keyCount: keys.length,
    revision: 1n as Revision,
    leases: () => Promise.resolve(leasesOf(entities)),
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
    async *entries(range?: KeyRange) {
      const wanted = keys.filter((key) => inRange(Buffer.from(key), range));
      for (let at = 0; at < wanted.length; at += 500) {
        yield wanted.slice(at, at + 500).map(toEntry);
      }
    },
  };
}

const liveEvery = 20;
const checks = ['keepalive', 'check-cpu', 'check-disk', 'check-http'];

const hostName = (index: number): string => `host-${String(index).padStart(6, '0')}.dc1.example.com`;

function allKeys(entities: number): string[] {
  const keys = ['/sensu.io/.initialized', '/sensu.io/cluster_id', '/sensu.io/sensu_database_version'];
  keys.push('/sensu.io/namespaces/default');
  for (let index = 0; index < entities; index += 1) {
    const host = hostName(index);
    keys.push(`/sensu.io/entity_configs/default/${host}`, `/sensu.io/entity_states/default/${host}`);
    for (const check of checks) keys.push(`/sensu.io/events/default/${host}/${check}`);
    if (index % liveEvery === 0) {
      keys.push(`/sensu.io/rings/default/system/items/${host}`);
      keys.push(`/sensu.io/switchsets/keepalived/default/${host}`);
    }
  }
  return keys.sort();
}

function leasesOf(entities: number): Lease[] {
  const leases: Lease[] = [];
  for (let index = 0; index < entities; index += liveEvery) {
    leases.push({ id: leaseId(index, 0), ttl: 600n }, { id: leaseId(index, 1), ttl: 600n });
  }
  return leases;
}

const firstLease = 0x7d7ba205e8000000n;
const leaseId = (entity: number, kind: 0 | 1): LeaseId =>
  (firstLease + BigInt(entity) * 2n + BigInt(kind)) as LeaseId;

function toEntry(key: string): StoreEntry {
  return {
    key: Buffer.from(key),
    value: valueOf(key),
    createRevision: 1n as Revision,
    modRevision: 1n as Revision,
    version: 1n,
    lease: leaseOf(key),
  };
}

function leaseOf(key: string): LeaseId | undefined {
  const entity = Number(/host-(\d+)/.exec(key)?.[1]);
  if (key.startsWith('/sensu.io/rings/')) return leaseId(entity, 0);
  if (key.startsWith('/sensu.io/switchsets/')) return leaseId(entity, 1);
  return undefined;
}

const boilerplate =
  '{"entity_class":"agent","subscriptions":["linux","system"],"status":0,"history":[0,0,0,0]}';

/** The form is Sensu's own, so that verify has as much to look at. */
function valueOf(key: string): Buffer {
  if (key === '/sensu.io/cluster_id') return Buffer.from('11111111-2222-4333-8444-555555555555');
  if (key === '/sensu.io/sensu_database_version') return Buffer.from('2');
  if (key === '/sensu.io/.initialized') return Buffer.from('1');
  if (key.startsWith('/sensu.io/rings/')) return Buffer.alloc(0);
  if (key.startsWith('/sensu.io/switchsets/')) return Buffer.from('120');
  const [, , group, namespace, entity, check] = key.split('/');
  if (group === 'namespaces') return new ProtoWriter().bytes(1, Buffer.from(namespace!)).finish();
  const text = Buffer.from(createHash('sha256').update(key).digest('hex') + boilerplate.repeat(6));
  return check === undefined ? wrapped(entity!, text) : event(entity!, check, text);
}

/** An entity's config or state. */
function wrapped(entity: string, text: Buffer): Buffer {
  const resource = new ProtoWriter().message(1, metadata(entity)).bytes(4, text).finish();
  return new ProtoWriter().number(2, 1).message(4, resource).finish();
}

function event(entity: string, check: string, output: Buffer): Buffer {
  return new ProtoWriter()
    .number(1, 1_700_000_000)
    .message(2, new ProtoWriter().message(14, metadata(entity)).finish())
    .message(3, new ProtoWriter().bytes(26, output).message(38, metadata(check)).finish())
    .finish();
}

function metadata(name: string): Buffer {
  return new ProtoWriter().bytes(1, Buffer.from(name)).bytes(2, Buffer.from('default')).finish();
}

export function inRange(key: Buffer, range: KeyRange | undefined): boolean {
  if (range === undefined) return true;
  return key.compare(range.start) >= 0 && (range.end === undefined || key.compare(range.end) < 0);
}
