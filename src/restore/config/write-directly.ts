import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { showResource, type DumpResource } from '../../dump/read/resource.js';
import type { Reached } from '../../etcd/facets/cluster.js';
import type { Guard, Kv, KvReader } from '../../etcd/facets/kv.js';
import { parseJson } from '../../sensu/api/json.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { textAt } from '../../sensu/resources/api-value.js';
import { encodeResource } from '../../sensu/resources/encode-resource.js';
import { clusterIdKey } from '../../store/sensu-root.js';
import type { Revision } from '../../store/view.js';
import { entryAt } from './stored.js';

/**
 * Makes sure that this etcd is the one that the API's backend is on: what is written past the API into another
 * store would be lost, or worse, found there.
 * @throws FerryError NO_SENSU_STORE, OTHER_STORE (`refused`)
 */
export async function requireSameStore(client: KvReader & Reached, api: ApiConnection): Promise<void> {
  const stored = (await entryAt(client, clusterIdKey))?.value.toString('utf8');
  if (stored === undefined) throw noStore(client);
  const answer = await api.request('GET', '/api/core/v2/cluster/id');
  if (parseJson(answer.body) !== stored) throw otherStore(client, api);
}

/**
 * Puts what the API does not take into etcd, in the form in which Sensu stores it: only where there is nothing, and
 * only while what it belongs to is there, its namespace or the user of a key.
 * @throws FerryError OWNER_MISSING, ALREADY_THERE (`refused`), and those of etcd
 */
export async function writeDirectly(context: Context, client: Kv, resource: DumpResource): Promise<void> {
  const owner = ownerKey(resource);
  const ownerEntry = await entryAt(client, owner.key);
  if (ownerEntry === undefined) throw ownerMissing(resource, owner.what);
  const pairs = encodeResource(resource)!;
  const guards: Guard[] = [
    { key: owner.key, modRevision: ownerEntry.modRevision },
    ...pairs.map(({ key }) => ({ key, modRevision: 0n as Revision })),
  ];
  context.signal.throwIfAborted();
  const { succeeded } = await client.txn({ guards, writes: pairs.map((pair) => ({ type: 'put', ...pair })) });
  if (succeeded) return;
  // Of a transaction whose answer was lost, the second try finds what the first has written.
  for (const { key, value } of pairs) {
    const there = await entryAt(client, key);
    if (there?.value.equals(value) !== true) throw alreadyThere(resource);
  }
}

interface Owner {
  readonly key: Buffer;
  /** Such as `its namespace ops`. */
  readonly what: string;
}

function ownerKey({ type, namespace, spec }: DumpResource): Owner {
  if (type === 'APIKey') {
    const user = textAt(spec, 'username');
    return { key: Buffer.from(`/sensu.io/users/${user}`), what: `its user ${JSON.stringify(user)}` };
  }
  const name = namespace ?? '';
  return { key: Buffer.from(`/sensu.io/namespaces/${name}`), what: `its namespace ${JSON.stringify(name)}` };
}

function ownerMissing(resource: DumpResource, what: string): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'OWNER_MISSING',
    message: `${showResource(resource)} is not written, because ${what} is not there.`,
    hint: 'Restore that first, then run this again.',
  });
}

function alreadyThere(resource: DumpResource): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'ALREADY_THERE',
    message: `${showResource(resource)} is not written, because something else has come there, or its owner changed.`,
    hint: 'Run this again to see what is there now.',
  });
}

function noStore({ endpoints }: Reached): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'NO_SENSU_STORE',
    message: `The etcd at ${endpoints.join(', ')} holds no store of Sensu.`,
    hint: 'Give the client URLs of the etcd that this sensu-backend is on.',
  });
}

function otherStore({ endpoints }: Reached, { shownUrl }: ApiConnection): FerryError {
  return new FerryError({
    kind: 'refused',
    code: 'OTHER_STORE',
    message: `The etcd at ${endpoints.join(', ')} holds another store of Sensu than ${shownUrl} is on.`,
    hint: 'Give the client URLs of the etcd that this sensu-backend is on.',
  });
}
