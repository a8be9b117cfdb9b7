import type { DumpResource } from '../../dump/read/resource.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { getResource, listResources } from '../../sensu/api/resources.js';
import type { ApiRoute } from '../../sensu/api/routes.js';
import { objectAt, textAt, type ApiResource } from '../../sensu/resources/api-value.js';

/** What the API has under the name of a resource of the dump; undefined for nothing. */
export type CurrentReader = (resource: DumpResource, route: ApiRoute) => Promise<ApiResource | undefined>;

/** A page of the API holds a hundred, and takes little longer than one resource. */
const worthAList = 20;

/**
 * Asks for each resource by its name, or, where the dump has many of a type in a namespace, for all of them at once
 * and once: of 2,000 checks the one takes 2,000 requests and the other 20.
 */
export function readCurrent(api: ApiConnection, resources: readonly DumpResource[]): CurrentReader {
  const counts = new Map<string, number>();
  for (const resource of resources) {
    counts.set(groupOf(resource), (counts.get(groupOf(resource)) ?? 0) + 1);
  }
  const lists = new Map<string, Promise<ReadonlyMap<string, ApiResource>>>();
  return async (resource, route) => {
    const { name, namespace } = resource;
    const group = groupOf(resource);
    if (counts.get(group)! < worthAList) return getResource(api, route, name, namespace);
    const list = lists.get(group) ?? readList(api, route, namespace);
    lists.set(group, list);
    return (await list).get(name);
  };
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
  for await (const resource of listResources(api, route, namespace)) byName.set(nameOf(resource), resource);
  return byName;
}

/** An event is named by its entity and its check. */
function nameOf({ type, metadata, spec }: ApiResource): string {
  if (type !== 'Event') return textAt(metadata, 'name');
  const names = ['entity', 'check'].map((part) => textAt(objectAt(objectAt(spec, part), 'metadata'), 'name'));
  return names.filter((name) => name !== '').join('/');
}
