import type { DumpResource } from '../../dump/read/resource.js';
import type { ApiRoute } from '../../sensu/api/routes.js';
import type { FieldChange } from '../../snapshot/diff/fields.js';

/** Why a resource of the dump is left alone. */
export type Refusal =
  | 'no-password'
  | 'api-key'
  | 'user-missing'
  | 'agent-managed'
  | 'event'
  | 'event-passed'
  | 'keepalive'
  | 'namespace-missing'
  | 'name-unusable'
  | 'half-entity'
  | 'resource-template'
  | 'unknown-type'
  | 'other-type';

/** What each refusal means, and what helps, in a sentence. */
export const refusals: Readonly<Record<Refusal, string>> = {
  'no-password': 'the dump has no password hash of this user: make it from a store, with --with-secrets',
  'api-key': 'the API makes new keys only: add --endpoints to write it into etcd',
  'user-missing': 'its user is neither there nor brought back by this restore',
  'agent-managed':
    'its agent manages it: it comes back when the agent connects, or by --refused-too with --endpoints',
  event: 'an event is run through its handlers again: add --with-events if you want that',
  'event-passed': 'Sensu has a later result of this check',
  keepalive: 'it would count as a sign of life of its agent, dead or not: Sensu makes it again by itself',
  'namespace-missing': 'its namespace is neither in the dump nor there',
  'name-unusable': 'the API has no path for its name',
  'half-entity': 'it is half of an entity, and the API takes whole ones: dump core/v2.Entity',
  'resource-template': 'the API of Sensu 6 takes none: a snapshot brings it back',
  'unknown-type': 'it is not known where the API takes its type',
  'other-type': 'the API of this backend does not take its type',
};

/**
 * `create` and `change`: through the API. `equal`: nothing is to be done. `write`: straight into etcd, where there is nothing of the kind
 * yet. `refused`: not at all.
 */
export type Action = 'create' | 'change' | 'equal' | 'write' | 'refused';

export interface PlannedResource {
  readonly resource: DumpResource;
  readonly action: Action;
  /** Of a `change`: from what is there to what the dump says. Secrets are masked. */
  readonly fields: readonly FieldChange[];
  /** Of a `refused`. */
  readonly refusal: Refusal | undefined;
  /** Of what goes through the API. */
  readonly route: ApiRoute | undefined;
}

export function refuse(resource: DumpResource, refusal: Refusal): PlannedResource {
  return { resource, action: 'refused', fields: [], refusal, route: undefined };
}

export interface ConfigPlan {
  readonly source: string;
  readonly api: string;
  /** In the order in which they are applied. */
  readonly resources: readonly PlannedResource[];
  /** What needs the operator's eyes: it ends plan and run with another exit code. */
  readonly warnings: readonly string[];
  /** What is good to know. */
  readonly notes: readonly string[];
}

export function countActions(resources: readonly PlannedResource[]): Record<Action, number> {
  const counts = { create: 0, change: 0, equal: 0, write: 0, refused: 0 };
  for (const { action } of resources) counts[action] += 1;
  return counts;
}
