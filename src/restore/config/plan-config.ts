import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { dumpError } from '../../dump/read/place.js';
import { readDump, type DumpAccess } from '../../dump/read/read-dump.js';
import { showResource, type DumpResource } from '../../dump/read/resource.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { listResources } from '../../sensu/api/resources.js';
import { listPath, routeOf, type ApiRoute } from '../../sensu/api/routes.js';
import { textAt, without, type ApiResource } from '../../sensu/resources/api-value.js';
import { encodeResource } from '../../sensu/resources/encode-resource.js';
import { FieldError } from '../../sensu/resources/field-error.js';
import { passwordHash, redacted, redactedPaths } from '../../sensu/resources/secrets.js';
import { forEachConcurrently } from '../concurrently.js';
import { changesTo, isAgentManaged } from './compare.js';
import { readCurrent, type CurrentReader } from './current.js';
import { inApplyOrder } from './order.js';
import type { Action, ConfigPlan, PlannedResource, Refusal } from './planned.js';

export interface ConfigOptions extends DumpAccess {
  /** Events are sent too; Sensu runs each through its handlers again. */
  readonly withEvents: boolean;
  /** API keys, which the API does not take, are written into etcd; `refused-too`: agent-managed entities as well. */
  readonly directly: 'nothing' | 'api-keys' | 'refused-too';
}

const requestsAtOnce = 16;

/**
 * Reads the whole dump, and asks the API what is there of each resource. Nothing is planned when a field
 * of one of them is of the wrong type.
 * @throws FerryError as `readDump` and `getResource`, and DUMP_FIELD_UNUSABLE (`source`)
 */
export async function planConfig(
  context: Context,
  api: ApiConnection,
  source: string,
  options: ConfigOptions,
): Promise<ConfigPlan> {
  const warnings: string[] = [];
  const resources: DumpResource[] = [];
  for await (const resource of readDump(source, context, options)) {
    const whole = completed(resource);
    warnings.push(...faultyFields(whole));
    resources.push(whole);
  }
  const ordered = inApplyOrder(resources);
  const namespaces = await namespacesOf(api, ordered);
  const current = readCurrent(api, ordered);
  const planned = new Map<DumpResource, PlannedResource>();
  await forEachConcurrently(ordered, requestsAtOnce, async (resource) => {
    context.signal.throwIfAborted();
    planned.set(resource, await planOne(api, resource, { namespaces, current, options }));
  });
  const all = ordered.map((resource) => planned.get(resource)!);
  const sent = all.filter(({ action }) => action !== 'equal' && action !== 'refused');
  warnings.push(...sent.flatMap(({ resource }) => redactedFields(resource)));
  warnings.push(...sent.flatMap(({ resource }) => ownLogin(resource, api)));
  return { source, api: api.shownUrl, resources: all, warnings };
}

/**
 * With what the API wants to see beside the path: namespace and name. sensuctl takes the namespace that it is
 * configured for, which is `default` if nobody said so.
 */
function completed(resource: DumpResource): DumpResource {
  const { type, apiVersion, metadata, spec, name } = resource;
  const route = routeOf(type, apiVersion);
  if (route === undefined) return resource;
  const namespace = route.scope === 'namespaced' ? (resource.namespace ?? 'default') : undefined;
  const field = nameFields[type];
  return {
    ...resource,
    namespace,
    metadata: {
      ...metadata,
      ...(namespace !== undefined && { namespace }),
      ...(type !== 'Event' && name !== '' && { name }),
    },
    spec: field === undefined ? spec : { [field]: name, ...spec },
  };
}

/** These have their name in the spec. */
const nameFields: Readonly<Record<string, string>> = { User: 'username', Namespace: 'name' };

/** @throws FerryError for a field that Sensu would take for something else, or not take */
function faultyFields(resource: DumpResource): string[] {
  try {
    encodeResource(withoutClearPassword(resource));
    return [];
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    const what = showResource(resource);
    // A newer Sensu may know it.
    if (error.reason === 'unknown') return [`${what}: ${error.message}; it is sent as it is.`];
    if (error.reason === 'name') return [];
    throw dumpError(resource.place, { code: 'DUMP_FIELD_UNUSABLE', fault: `${what}: ${error.message}` });
  }
}

function withoutClearPassword(resource: DumpResource): ApiResource {
  if (resource.type !== 'User') return resource;
  return { ...resource, spec: without(resource.spec, ['password']) };
}

/** A dump of the API holds REDACTED in the place of what it hid: put back, that is what the entity has. */
function redactedFields(resource: DumpResource): string[] {
  if (resource.type !== 'Entity') return [];
  const lost = redactedPaths(resource.metadata, resource.spec, true);
  if (lost.length === 0) return [];
  return [
    `${showResource(resource)}: ${lost.join(', ')} are ${redacted} in the dump, and will be in the store. Make the dump from a store, with --with-secrets, to keep them.`,
  ];
}

/** The user that this restore itself logs in as. Tokens last for minutes; behind them it must log in again. */
function ownLogin({ type, name, spec }: DumpResource, { username }: ApiConnection): string[] {
  if (type !== 'User' || username === undefined || name !== username) return [];
  const becomes =
    spec['disabled'] === true ? 'is disabled in the dump' : 'gets the password that the dump has';
  return [
    `User ${name}, who this logs in as, ${becomes}: what follows may fail when its token has expired. Log in with --api-key-file, or as another user.`,
  ];
}

async function namespacesOf(
  api: ApiConnection,
  resources: readonly DumpResource[],
): Promise<ReadonlySet<string>> {
  const names = new Set(resources.filter(({ type }) => type === 'Namespace').map(({ name }) => name));
  if (resources.every(({ namespace }) => namespace === undefined || names.has(namespace))) return names;
  for await (const { metadata } of listResources(api, routeOf('Namespace', 'core/v2')!)) {
    names.add(textAt(metadata, 'name'));
  }
  return names;
}

interface Surroundings {
  readonly namespaces: ReadonlySet<string>;
  readonly current: CurrentReader;
  readonly options: ConfigOptions;
}

async function planOne(
  api: ApiConnection,
  resource: DumpResource,
  { namespaces, current, options }: Surroundings,
): Promise<PlannedResource> {
  const { type, apiVersion, namespace } = resource;
  const route = routeOf(type, apiVersion);
  if (apiVersion === 'core/v3' && type === 'ResourceTemplate') return refuse(resource, 'resource-template');
  if (apiVersion === 'core/v3' && route !== undefined) return refuse(resource, 'half-entity');
  if (route === undefined) return refuse(resource, 'unknown-type');
  if (namespace !== undefined && !namespaces.has(namespace)) return refuse(resource, 'namespace-missing');
  if (type === 'Event' && !options.withEvents) return refuse(resource, 'event');
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
  options: ConfigOptions,
): PlannedResource {
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

function mayWrite(refusal: Refusal, { directly }: ConfigOptions): boolean {
  if (refusal === 'api-key') return directly !== 'nothing';
  return refusal === 'agent-managed' && directly === 'refused-too';
}

function plan(resource: DumpResource, action: Action, route?: ApiRoute): PlannedResource {
  return { resource, action, fields: [], refusal: undefined, route };
}

function refuse(resource: DumpResource, refusal: Refusal): PlannedResource {
  return { ...plan(resource, 'refused'), refusal };
}
