import { openSnapshot } from '../../src/etcd-files/mvcc/store-file.js';
import { fixture } from '../sensu/resources/recorded.js';
import { writeStore, type KeyRecord } from './store-writer.js';

/**
 * Writes a store of many entities, each with one event, whose values are those of a recorded agent. Names in the
 * values are those of the recorded one: what is decoded has its real size.
 */
export function writeLargeStore(path: string, entities: number, events: number): void {
  const file = openSnapshot(fixture('single-6.7.5/snapshot.db'));
  const recorded = [...file.entries()].flat();
  const valueOf = (key: string): Buffer =>
    Buffer.from(recorded.find((entry) => entry.key.toString() === key)!.value);
  const config = valueOf('/sensu.io/entity_configs/default/agent-1');
  const state = valueOf('/sensu.io/entity_states/default/agent-1');
  const event = valueOf('/sensu.io/events/default/agent-1/check-cpu');
  file.close();
  writeStore(path, { records: records() });

  function* records(): Generator<KeyRecord> {
    let main = 2n;
    const record = (key: string, value: Buffer): KeyRecord => {
      const created = main++;
      return {
        main: created,
        sub: 0n,
        key: Buffer.from(key),
        put: { value, createRevision: created, version: 1n, lease: 0n },
      };
    };
    for (let index = 0; index < entities; index++) {
      const host = `host-${String(index).padStart(6, '0')}`;
      yield record(`/sensu.io/entity_configs/default/${host}`, config);
      yield record(`/sensu.io/entity_states/default/${host}`, state);
      if (index < events) yield record(`/sensu.io/events/default/${host}/check-cpu`, event);
    }
  }
}
