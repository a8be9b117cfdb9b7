import { listAt, objectAt, textAt, type ApiObject } from '../../sensu/resources/api-value.js';
import type { ResourceStore } from './resource-store.js';
import type { Caller } from './sessions.js';

export interface Wish {
  readonly verb: 'get' | 'list' | 'update';
  /** As roles name it, such as `checks`. */
  readonly resource: string;
  readonly name?: string;
  /** Absent for what is in no namespace, and for all namespaces at once. */
  readonly namespace?: string;
}

/** What the caller's roles let it do: those of the cluster everywhere, those of a namespace in it. */
export class Permissions {
  readonly #store: ResourceStore;

  constructor(store: ResourceStore) {
    this.#store = store;
  }

  async allows(caller: Caller, wish: Wish): Promise<boolean> {
    const everywhere = await this.#rules(caller, 'ClusterRoleBinding');
    if (everywhere.some((rule) => permits(rule, wish))) return true;
    if (wish.namespace === undefined) return false;
    const here = await this.#rules(caller, 'RoleBinding', wish.namespace);
    return here.some((rule) => permits(rule, wish));
  }

  /** Whoever has a role in a namespace may know of it. */
  async mayKnow(caller: Caller, namespace: string): Promise<boolean> {
    const wish: Wish = { verb: 'list', resource: 'namespaces' };
    if (await this.allows(caller, wish)) return true;
    return (await this.#rules(caller, 'RoleBinding', namespace)).length > 0;
  }

  async #rules(
    caller: Caller,
    type: 'ClusterRoleBinding' | 'RoleBinding',
    namespace?: string,
  ): Promise<ApiObject[]> {
    const { resources: bindings } = await this.#store.list(type, namespace);
    const rules: ApiObject[] = [];
    for (const { spec } of bindings.filter((binding) => isSubject(caller, binding.spec))) {
      const reference = objectAt(spec, 'role_ref');
      const inNamespace = textAt(reference, 'type') === 'Role';
      const role = await this.#store.get(
        inNamespace ? 'Role' : 'ClusterRole',
        textAt(reference, 'name'),
        inNamespace ? namespace : undefined,
      );
      if (role !== undefined) rules.push(...(listAt(role.spec, 'rules') as readonly ApiObject[]));
    }
    return rules;
  }
}

function isSubject({ username, groups }: Caller, binding: ApiObject): boolean {
  return (listAt(binding, 'subjects') as readonly ApiObject[]).some((subject) => {
    const name = textAt(subject, 'name');
    return textAt(subject, 'type') === 'Group' ? groups.includes(name) : name === username;
  });
}

function permits(rule: ApiObject, { verb, resource, name }: Wish): boolean {
  const has = (field: string, value: string): boolean => {
    const list = listAt(rule, field);
    return list.includes('*') || list.includes(value);
  };
  const names = listAt(rule, 'resource_names');
  const verbs = verb === 'update' ? has('verbs', 'update') && has('verbs', 'create') : has('verbs', verb);
  return (
    verbs &&
    has('resources', resource) &&
    (names.length === 0 || (name !== undefined && names.includes(name)))
  );
}
