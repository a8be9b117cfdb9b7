import type { DumpResource } from '../../dump/read/resource.js';
import type { KvReader } from '../../etcd/facets/kv.js';
import { classifyKey } from '../../sensu/keys/key-space.js';
import type { ApiResource } from '../../sensu/resources/api-value.js';
import { entityConfigs, entityStates } from '../../sensu/resources/kinds.js';
import { joinEntity, toApiResource, type StoredResource } from '../../sensu/resources/to-api-resource.js';
import { singleKey } from '../../store/sensu-root.js';
import type { StoreEntry } from '../../store/view.js';

/** One key of the store, with its value. */
export async function entryAt(client: KvReader, key: Buffer): Promise<StoreEntry | undefined> {
  return (await client.range(singleKey(key))).entries[0];
}

/**
 * A user or an entity as it is stored, with the hash and the labels that the API hides; undefined for none.
 * @throws MalformedValueError
 */
export async function readUnmasked(
  client: KvReader,
  { type, name, namespace = '' }: DumpResource,
): Promise<ApiResource | undefined> {
  if (type === 'User') return (await readAt(client, `/sensu.io/users/${name}`))?.resource;
  const [config, state] = await Promise.all(
    [entityConfigs, entityStates].map((group) => readAt(client, `${group}${namespace}/${name}`)),
  );
  return config && joinEntity(config, state).resource;
}

async function readAt(client: KvReader, key: string): Promise<StoredResource | undefined> {
  const entry = await entryAt(client, Buffer.from(key));
  return entry && toApiResource(classifyKey(entry.key), entry.value);
}
