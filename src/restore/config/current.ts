import { nameOf } from '../../dump/loss-report.js';
import type { DumpResource } from '../../dump/read/resource.js';
import type { Kv } from '../../etcd/facets/kv.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { getResource, listResources } from '../../sensu/api/resources.js';
import type { ApiRoute } from '../../sensu/api/routes.js';
import type { ApiResource } from '../../sensu/resources/api-value.js';
import { readUnmasked } from './stored.js';

/** What is there under the name of a resource of the dump; undefined for nothing. */
export type CurrentReader = (resource: DumpResource, route: ApiRoute) => Promise<ApiResource | undefined>;

export interface Target {
  readonly api: ApiConnection;
  /** The etcd beside the API, where one was given. */
  readonly client?: Kv | undefined;
}

/** A page of the API holds a hundred, and takes little longer than one resource. */
const worthAList = 20;

/**
 * Asks for each resource by its name, or, where the dump has many of a type in a namespace, for all of them at once
 * and once: of 2,000 checks the one takes 2,000 requests and the other 20. What the API masks is read from etcd.
 */
export function readCurrent({ api, client }: Target, resources: readonly DumpResource[]): CurrentReader {
  const counts = new Map<string, number>();
  for (const resource of resources) {
    counts.set(groupOf(resource), (counts.get(groupOf(resource)) ?? 0) + 1);
  }
  const lists = new Map<string, Promise<ReadonlyMap<string, ApiResource>>>();
  const fromList: CurrentReader = async (resource, route) => {
    const group = groupOf(resource);
    const list = lists.get(group) ?? readList(api, route, resource.namespace);
    lists.set(group, list);
    return (await list).get(resource.name);
  };
  return async (resource, route) => {
    if (client !== undefined && isMasked(resource)) return readUnmasked(client, resource);
    if (counts.get(groupOf(resource))! >= worthAList) return fromList(resource, route);
    const found = await getResource(api, route, resource.name, resource.namespace);
    // Sensu looks for an event by the beginning of its key, and may give that of a check with a longer name.
    const isOther = found?.type === 'Event' && nameOf(found).name !== resource.name;
    return isOther ? fromList(resource, route) : found;
  };
}

/** Whether the API hides a part of the type. */
function isMasked({ type, apiVersion }: DumpResource): boolean {
  return apiVersion === 'core/v2' && (type === 'User' || type === 'Entity');
}

function groupOf({ type, apiVersion, namespace }: DumpResource): string {
  return JSON.stringify([type, apiVersion, namespace]);
}

async function readList(
  api: ApiConnection,
  route: ApiRoute,
  namespace: string | undefined,
): Promise<ReadonlyMap<string, ApiResource>> {
  const byName = new Map<string, ApiResource>();
  for await (const resource of listResources(api, route, namespace))
    byName.set(nameOf(resource).name, resource);
  return byName;
}
