import { routeOf } from '../../sensu/api/routes.js';
import type { DumpResource } from '../../dump/read/resource.js';

/** What others need comes first. A check without its handler would run, and alert nobody. */
const inOrder: readonly string[] = [
  ...[
    'Namespace',
    'ClusterRole',
    'Role',
    'ClusterRoleBinding',
    'RoleBinding',
    'User',
    'APIKey',
    'TessenConfig',
  ],
  // The commercial types stand here: providers and secrets, which checks and handlers name.
  ...['(commercial)', 'Asset', 'HookConfig', 'EventFilter', 'Mutator', 'Handler', 'Pipeline', 'CheckConfig'],
  ...['Entity', 'Silenced', 'Event', '(other)'],
];

const ranks = new Map(inOrder.map((type, rank) => [type, rank]));

export function rankOf({ type, apiVersion }: Pick<DumpResource, 'type' | 'apiVersion'>): number {
  const core = apiVersion === 'core/v2' ? ranks.get(type) : undefined;
  if (core !== undefined) return core;
  return ranks.get(routeOf(type, apiVersion)?.edition === 'commercial' ? '(commercial)' : '(other)')!;
}

/** By what needs what; within a type as the dump has them. */
export function inApplyOrder<Resource extends DumpResource>(resources: readonly Resource[]): Resource[] {
  return resources
    .map((resource) => ({ resource, rank: rankOf(resource) }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ resource }) => resource);
}
