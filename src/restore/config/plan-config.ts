import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { dumpError } from '../../dump/read/place.js';
import { readDump, type DumpAccess } from '../../dump/read/read-dump.js';
import { showResource, type DumpResource } from '../../dump/read/resource.js';
import type { Kv } from '../../etcd/facets/kv.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { noApiAt } from '../../sensu/api/faults.js';
import { listResources } from '../../sensu/api/resources.js';
import { routeOf } from '../../sensu/api/routes.js';
import { textAt, without, type ApiResource } from '../../sensu/resources/api-value.js';
import { encodeResource } from '../../sensu/resources/encode-resource.js';
import { FieldError } from '../../sensu/resources/field-error.js';
import { forEachConcurrently } from '../../core/concurrently.js';
import { readCurrent } from './current.js';
import { refuseKeysWithoutUser } from './key-owners.js';
import { inApplyOrder } from './order.js';
import { planResource, type PlanOptions } from './plan-resource.js';
import { notesOf, warningsOf } from './plan-warnings.js';
import type { ConfigPlan, PlannedResource } from './planned.js';

export interface ConfigOptions extends DumpAccess, PlanOptions {
  /** The etcd beside the API. With it, what the API masks is compared too. */
  readonly client?: Kv | undefined;
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
  const current = readCurrent({ api, client: options.client }, ordered);
  const surroundings = { api, namespaces, current, options, now: context.clock.now() };
  const planned = new Map<DumpResource, PlannedResource>();
  await forEachConcurrently(ordered, requestsAtOnce, async (resource) => {
    context.signal.throwIfAborted();
    planned.set(resource, await planResource(resource, surroundings));
  });
  const all = await refuseKeysWithoutUser(
    api,
    ordered.map((resource) => planned.get(resource)!),
  );
  warnings.push(...warningsOf(all, api, surroundings.now));
  const notes = notesOf(all, surroundings.now);
  return { source, api: api.shownUrl, resources: all, warnings, notes };
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

/** Asked for whatever the dump holds: where there is no API, each resource would pass for one to create. */
async function namespacesOf(
  api: ApiConnection,
  resources: readonly DumpResource[],
): Promise<ReadonlySet<string>> {
  const names = new Set(resources.filter(({ type }) => type === 'Namespace').map(({ name }) => name));
  const isComplete = resources.every(({ namespace }) => namespace === undefined || names.has(namespace));
  try {
    for await (const { metadata } of listResources(api, routeOf('Namespace', 'core/v2')!)) {
      names.add(textAt(metadata, 'name'));
    }
  } catch (error) {
    if (!(error instanceof FerryError)) throw error;
    if (error.code === 'API_NOT_FOUND') throw noApiAt(api.shownUrl);
    if (error.code !== 'API_FORBIDDEN' || !isComplete) throw error;
  }
  return names;
}
