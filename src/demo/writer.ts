import type { Kv, KvReader, WriteOperation } from '../etcd/facets/kv.js';
import { connect } from '../etcd/connect.js';
import { singleKey } from '../store/sensu-root.js';

/** What the store acknowledged last for a key; undefined: that it is deleted. */
export type Acknowledged = ReadonlyMap<string, Buffer | undefined>;

export interface Writer {
  /** Ends when asked to, or when the store has gone away. */
  stop(): Promise<Acknowledged>;
}

/** Of so many keys one is written again and again, as events are; every seventh write deletes one. */
const keyCount = 400;
const deleteEvery = 7;

/**
 * Writes to a store as agents do, one write after the other, and remembers what was acknowledged. A write whose
 * answer is lost may or may not have been made, so its key no longer counts.
 */
export async function startWriter(endpoints: readonly string[]): Promise<Writer> {
  const client = await connect({ endpoints, deadlineMs: 2000 });
  const acknowledged = new Map<string, Buffer | undefined>();
  let stopped = false;
  const work = write(client, acknowledged, () => stopped);
  return {
    stop: async () => {
      stopped = true;
      await work;
      await client.close();
      return acknowledged;
    },
  };
}

async function write(
  client: Kv,
  acknowledged: Map<string, Buffer | undefined>,
  isStopped: () => boolean,
): Promise<void> {
  for (let count = 0; !isStopped(); count += 1) {
    const name = `/sensu.io/events/default/writer-${String(count % keyCount).padStart(4, '0')}/check-demo`;
    const key = Buffer.from(name);
    const value = count % deleteEvery === 0 ? undefined : Buffer.from(`event ${count} of the writer`);
    const operation: WriteOperation =
      value === undefined ? { type: 'delete', key } : { type: 'put', key, value };
    try {
      await client.txn({ writes: [operation] });
      acknowledged.set(name, value);
    } catch {
      acknowledged.delete(name);
      return;
    }
  }
}

/** Keys that the target does not hold as the source acknowledged them. */
export async function missingFrom(target: KvReader, acknowledged: Acknowledged): Promise<string[]> {
  const missing: string[] = [];
  for (const [name, value] of acknowledged) {
    const { entries } = await target.range(singleKey(Buffer.from(name)));
    const found = entries[0]?.value;
    if (value === undefined ? found !== undefined : found?.equals(value) !== true) missing.push(name);
  }
  return missing;
}
