import type { MessageName } from './messages.js';

/** A kind of resource that sensuctl dumps. */
export interface ResourceKind {
  readonly type: string;
  readonly apiVersion: string;
  /** sensuctl's short name, such as `checks`. */
  readonly shortName: string;
  /** Of the keys that hold it, as `classifyKey` names them. */
  readonly group: string;
  readonly message: MessageName;
  readonly namespaced: boolean;
}

function core(
  type: MessageName,
  shortName: string,
  group: string,
  scope: 'cluster' | 'namespaced' = 'namespaced',
): ResourceKind {
  const namespaced = scope === 'namespaced';
  return { type, apiVersion: 'core/v2', shortName, group: `/sensu.io/${group}`, message: type, namespaced };
}

/** In the order in which sensuctl dumps them. */
export const resourceKinds: readonly ResourceKind[] = [
  core('Namespace', 'namespaces', 'namespaces/', 'cluster'),
  core('ClusterRole', 'clusterroles', 'rbac/clusterroles/', 'cluster'),
  core('ClusterRoleBinding', 'clusterrolebindings', 'rbac/clusterrolebindings/', 'cluster'),
  core('User', 'users', 'users/', 'cluster'),
  core('APIKey', 'apikeys', 'apikeys/', 'cluster'),
  core('TessenConfig', 'tessen', 'tessen', 'cluster'),
  core('Asset', 'assets', 'assets/'),
  core('CheckConfig', 'checks', 'checks/'),
  // Stored in two halves: this is where its configuration lies.
  core('Entity', 'entities', 'entity_configs/'),
  core('Event', 'events', 'events/'),
  core('EventFilter', 'filters', 'event-filters/'),
  core('Handler', 'handlers', 'handlers/'),
  core('HookConfig', 'hooks', 'hooks/'),
  core('Mutator', 'mutators', 'mutators/'),
  core('Pipeline', 'pipelines', 'pipelines/'),
  core('Role', 'roles', 'rbac/roles/'),
  core('RoleBinding', 'rolebindings', 'rbac/rolebindings/'),
  core('Silenced', 'silenced', 'silenced/'),
];

export const entityConfigs = '/sensu.io/entity_configs/';
export const entityStates = '/sensu.io/entity_states/';
export const enterpriseRoot = '/sensu.io/api/enterprise/';

const byGroup = new Map(resourceKinds.map((kind) => [kind.group, kind]));

/** What lies under the keys of a group; undefined where sensuctl has no name for it. */
export function kindOfGroup(group: string): ResourceKind | undefined {
  return byGroup.get(group);
}
