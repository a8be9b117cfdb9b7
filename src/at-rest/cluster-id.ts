import type { KvReader } from '../etcd/facets/kv.js';
import { clusterIdKey, singleKey } from '../store/sensu-root.js';

/** Sensu's cluster id as stored; undefined for anything that must not become part of a file's name. */
export function parseClusterId(value: Buffer): string | undefined {
  const text = value.toString('utf8');
  return /^[\w-]{1,64}$/.test(text) ? text : undefined;
}

/** Also from the last member of a cluster that has lost the others. */
export async function readClusterId(client: KvReader): Promise<string | undefined> {
  const { entries } = await client.range({ ...singleKey(clusterIdKey), serializable: true });
  return entries[0] && parseClusterId(entries[0].value);
}
