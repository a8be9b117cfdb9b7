import { fileURLToPath } from 'node:url';
import { openSnapshot } from '../src/etcd-files/mvcc/store-file.js';
import type { KeyRange, Revision, StoreEntry, StoreView } from '../src/store/view.js';
import { inRange } from './synthetic-store.js';

/**
 * Entities and events with the values of a recorded agent, so that what is decoded has its real size and shape.
 * Names in the values are those of the recorded agent too.
 */
export function inventoryStore(entities: number, events: number): StoreView {
  const recorded = recordedValues();
  const value = (key: string): Buffer => recorded.get(key)!;
  const config = value('/sensu.io/entity_configs/default/agent-1');
  const state = value('/sensu.io/entity_states/default/agent-1');
  const event = value('/sensu.io/events/default/agent-1/check-cpu');
  function* all(): Generator<StoreEntry> {
    for (const key of ['/sensu.io/cluster_id', '/sensu.io/sensu_database_version'])
      yield entry(key, value(key));
    for (let index = 0; index < entities; index += 1) {
      yield entry(`/sensu.io/entity_configs/default/${hostName(index)}`, config);
      yield entry(`/sensu.io/entity_states/default/${hostName(index)}`, state);
      if (index < events) yield entry(`/sensu.io/events/default/${hostName(index)}/check-cpu`, event);
    }
    yield entry('/sensu.io/namespaces/default', value('/sensu.io/namespaces/default'));
  }
  const sorted = [...all()].sort((a, b) => a.key.compare(b.key));
  return {
    revision: 1n as Revision,
    leases: () => Promise.resolve([]),
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous
    async *entries(range?: KeyRange) {
      const wanted = sorted.filter(({ key }) => inRange(key, range));
      for (let at = 0; at < wanted.length; at += 500) yield wanted.slice(at, at + 500);
    },
  };
}

const hostName = (index: number): string => `host-${String(index).padStart(6, '0')}`;

function recordedValues(): ReadonlyMap<string, Buffer> {
  const path = fileURLToPath(new URL('../../../fixtures/single-6.7.5/snapshot.db', import.meta.url));
  const file = openSnapshot(path);
  try {
    return new Map([...file.entries()].flat().map(({ key, value }) => [key.toString(), Buffer.from(value)]));
  } finally {
    file.close();
  }
}

function entry(key: string, value: Buffer): StoreEntry {
  const revision = 1n as Revision;
  return {
    key: Buffer.from(key),
    value,
    createRevision: revision,
    modRevision: revision,
    version: 1n,
    lease: undefined,
  };
}
