import type { ApiConnection } from '../../sensu/api/connection.js';
import { getResource } from '../../sensu/api/resources.js';
import { routeOf } from '../../sensu/api/routes.js';
import { textAt } from '../../sensu/resources/api-value.js';
import { refuse, type PlannedResource } from './planned.js';

/** An API key is written for a user who is there by then: one whom the plan refuses, and Sensu lacks, is not. */
export async function refuseKeysWithoutUser(
  api: ApiConnection,
  planned: readonly PlannedResource[],
): Promise<readonly PlannedResource[]> {
  const isThere = new Map<string, boolean>();
  for (const { resource, action } of planned) {
    if (resource.type === 'User' && action !== 'refused') isThere.set(resource.name, true);
  }
  const settled: PlannedResource[] = [];
  for (const one of planned) {
    const { resource, action } = one;
    if (resource.type !== 'APIKey' || action !== 'write') {
      settled.push(one);
      continue;
    }
    const user = textAt(resource.spec, 'username');
    const known = isThere.get(user) ?? (await hasUser(api, user));
    isThere.set(user, known);
    settled.push(known ? one : refuse(resource, 'user-missing'));
  }
  return settled;
}

async function hasUser(api: ApiConnection, name: string): Promise<boolean> {
  return name !== '' && (await getResource(api, routeOf('User', 'core/v2')!, name)) !== undefined;
}
