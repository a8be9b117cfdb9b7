import { FerryError } from '../../core/errors.js';
import type { DumpResource } from '../../dump/read/resource.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { listPath, routeOf, type ApiRoute } from '../../sensu/api/routes.js';
import { integerAt, textAt, type ApiResource } from '../../sensu/resources/api-value.js';
import { isKeepalive } from '../../sensu/resources/event.js';
import { passwordHash } from '../../sensu/resources/secrets.js';
import { hasEnded } from '../../sensu/resources/silence.js';
import { changesTo, isAgentManaged } from './compare.js';
import type { CurrentReader } from './current.js';
import { refuse, type Action, type PlannedResource, type Refusal } from './planned.js';

export interface PlanOptions {
  /** Events are sent too; Sensu runs each through its handlers again. */
  readonly withEvents: boolean;
  /** API keys, which the API does not take, are written into etcd; `refused-too`: agent-managed entities as well. */
  readonly directly: 'nothing' | 'api-keys' | 'refused-too';
}

export interface Surroundings {
  readonly api: ApiConnection;
  readonly namespaces: ReadonlySet<string>;
  readonly current: CurrentReader;
  readonly options: PlanOptions;
  readonly now: Date;
}

/** What is to become of one resource of the dump. */
export async function planResource(
  resource: DumpResource,
  { api, namespaces, current, options, now }: Surroundings,
): Promise<PlannedResource> {
  const { type, apiVersion, namespace } = resource;
  const route = routeOf(type, apiVersion);
  if (apiVersion === 'core/v3' && type === 'ResourceTemplate') return refuse(resource, 'resource-template');
  if (apiVersion === 'core/v3' && route !== undefined) return refuse(resource, 'half-entity');
  if (route === undefined) return refuse(resource, 'unknown-type');
  if (namespace !== undefined && !namespaces.has(namespace)) return refuse(resource, 'namespace-missing');
  if (type === 'Event' && isKeepalive(resource.spec)) return refuse(resource, 'keepalive');
  if (type === 'Event' && !options.withEvents) return refuse(resource, 'event');
  // Sensu would take it, and delete it when it is next asked for silences.
  if (hasEnded(resource, now)) return plan(resource, 'equal', route);
  try {
    if (route.edition === 'commercial' && !(await isServed(api, route)))
      return refuse(resource, 'other-type');
    return planFor(resource, await current(resource, route), route, options);
  } catch (error) {
    if (error instanceof FerryError && error.code === 'API_NAME_UNUSABLE')
      return refuse(resource, 'name-unusable');
    throw error;
  }
}

/** A build of the open source has no commercial types, and says of the list what it says of one that is missing. */
async function isServed(api: ApiConnection, route: ApiRoute): Promise<boolean> {
  try {
    await api.request('GET', `${listPath(route)}?limit=1`);
    return true;
  } catch (error) {
    if (error instanceof FerryError && notServed.has(error.code)) return false;
    throw error;
  }
}

const notServed = new Set([
  'API_NOT_FOUND',
  'API_LICENCE_NEEDED',
  'API_ANSWER_UNUSABLE',
  'API_METHOD_REFUSED',
]);

function planFor(
  resource: DumpResource,
  current: ApiResource | undefined,
  route: ApiRoute,
  options: PlanOptions,
): PlannedResource {
  // Of one that was posted, Sensu has counted on its occurrences and its history: its time tells it again.
  if (current?.type === 'Event' && timestampOf(current) >= timestampOf(resource)) {
    const isSame = timestampOf(current) === timestampOf(resource);
    return isSame ? plan(resource, 'equal', route) : refuse(resource, 'event-passed');
  }
  const fields = current === undefined ? [] : changesTo(current, resource);
  if (current !== undefined && fields.length === 0) return plan(resource, 'equal', route);
  const refusal = refusalFor(resource, current);
  if (refusal === undefined) {
    return { ...plan(resource, current === undefined ? 'create' : 'change', route), fields };
  }
  return current === undefined && mayWrite(refusal, options)
    ? plan(resource, 'write')
    : refuse(resource, refusal);
}

function timestampOf({ spec }: ApiResource): bigint {
  return integerAt(spec, 'timestamp');
}

/** What Sensu is known to refuse, so that it is not even asked. */
function refusalFor(resource: DumpResource, current: ApiResource | undefined): Refusal | undefined {
  const { type, spec } = resource;
  if (type === 'APIKey') return 'api-key';
  if (type === 'User' && passwordHash(resource) === '') return 'no-password';
  if (type !== 'Entity') return undefined;
  const isProxy = textAt(spec, 'entity_class') === 'proxy';
  const isAgents = isAgentManaged(resource) || (!isProxy && current !== undefined && isAgentManaged(current));
  return isAgents ? 'agent-managed' : undefined;
}

function mayWrite(refusal: Refusal, { directly }: PlanOptions): boolean {
  if (refusal === 'api-key') return directly !== 'nothing';
  return refusal === 'agent-managed' && directly === 'refused-too';
}

function plan(resource: DumpResource, action: Action, route?: ApiRoute): PlannedResource {
  return { resource, action, fields: [], refusal: undefined, route };
}
