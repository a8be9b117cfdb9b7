import { fromBody, toBody } from '../../sensu/api/body.js';
import { formatJson, parseJson } from '../../sensu/api/json.js';
import { apiRoutes, type ApiRoute } from '../../sensu/api/routes.js';
import { isApiObject, objectAt, textAt, type ApiResource } from '../../sensu/resources/api-value.js';
import { asApiShows } from '../../sensu/resources/secrets.js';
import { ApiFault, json, methodNotAllowed, notPermitted, type Answer } from './answer.js';
import { Permissions } from './permissions.js';
import type { ResourceStore } from './resource-store.js';
import type { Caller } from './sessions.js';
import { write } from './write-rules.js';

export interface ResourceRequest {
  readonly method: string;
  readonly url: URL;
  readonly caller: Caller;
  readonly body: string;
}

interface Target {
  readonly route: ApiRoute;
  readonly namespace?: string;
  /** Absent for the list. */
  readonly name?: string;
}

const served = apiRoutes.filter(({ apiVersion }) => apiVersion === 'core/v2');
const root = '/api/core/v2/';

/** Undefined for a path that no resource has. @throws ApiFault */
export async function answerResource(
  store: ResourceStore,
  request: ResourceRequest,
): Promise<Answer | undefined> {
  const target = targetOf(request.url.pathname);
  if (target === undefined) return undefined;
  const isOne = target.name !== undefined || target.route.scope === 'single';
  if (request.method === 'GET')
    return isOne ? getOne(store, request, target) : getList(store, request, target);
  // An API key is made with a new name by a POST, and never put back.
  if (request.method !== 'PUT' || !isOne || target.route.type === 'APIKey') return methodNotAllowed;
  return putOne(store, request, target);
}

function targetOf(pathname: string): Target | undefined {
  if (!pathname.startsWith(root)) return undefined;
  const parts = pathname.slice(root.length).split('/').map(decodeURIComponent);
  const within = parts[0] === 'namespaces' && parts.length > 2;
  const namespace = within ? parts[1] : undefined;
  const [plural, ...name] = within ? parts.slice(2) : parts;
  const route = served.find((candidate) => candidate.plural === plural);
  if (route === undefined || (route.scope === 'namespaced' && !within && name.length > 0)) return undefined;
  return {
    route,
    ...(namespace !== undefined && { namespace }),
    ...(name.length > 0 && { name: name.join('/') }),
  };
}

async function getList(
  store: ResourceStore,
  { url, caller }: ResourceRequest,
  { route, namespace }: Target,
): Promise<Answer> {
  const permissions = new Permissions(store);
  const wish = {
    verb: 'list' as const,
    resource: route.plural,
    ...(namespace !== undefined && { namespace }),
  };
  // Everybody may ask for the namespaces, and sees those that concern them.
  const isFiltered = route.type === 'Namespace';
  if (!isFiltered && !(await permissions.allows(caller, wish))) return notPermitted;
  const limit = Number(url.searchParams.get('limit') ?? 0) || 0;
  const from = Buffer.from(url.searchParams.get('continue') ?? '', 'base64url').toString('utf8');
  const { resources, next } = await store.list(route.type, namespace, { limit, from });
  const shown: ApiResource[] = [];
  for (const resource of resources) {
    const name = textAt(resource.metadata, 'name');
    if (!isFiltered || (await permissions.mayKnow(caller, name))) shown.push(asApiShows(resource));
  }
  const body = formatJson(shown.map((resource) => toBody(route, resource)));
  return json(body, next === '' ? {} : { 'sensu-continue': Buffer.from(next).toString('base64url') });
}

async function getOne(store: ResourceStore, { caller }: ResourceRequest, target: Target): Promise<Answer> {
  const { route, name = '', namespace } = target;
  if (!(await new Permissions(store).allows(caller, wishOf('get', target)))) return notPermitted;
  const resource = await store.get(route.type, name, namespace);
  if (resource === undefined) throw new ApiFault('notFound', 'not found');
  return json(formatJson(toBody(route, asApiShows(resource))));
}

async function putOne(
  store: ResourceStore,
  { caller, body }: ResourceRequest,
  target: Target,
): Promise<Answer> {
  if (!(await new Permissions(store).allows(caller, wishOf('update', target)))) return notPermitted;
  const value = parseJson(body);
  if (!isApiObject(value)) throw new ApiFault('invalid', 'invalid character in the body');
  const resource = fromBody(target.route, value);
  checkMeta(resource, target);
  await write({ resource, username: caller.username }, store);
  return { status: 201, headers: { 'content-type': 'application/json' }, body: '' };
}

function wishOf(
  verb: 'get' | 'update',
  { route, name, namespace }: Target,
): Parameters<Permissions['allows']>[1] {
  return {
    ...{ verb, resource: route.plural },
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
  };
}

/** What the path says and what the body says must be the same. */
function checkMeta({ type, metadata, spec }: ApiResource, { route, name, namespace }: Target): void {
  if (route.scope === 'single') return;
  const own =
    type === 'Event'
      ? ['entity', 'check']
          .map((part) => textAt(objectAt(objectAt(spec, part), 'metadata'), 'name'))
          .join('/')
      : textAt(metadata, 'name');
  if (own !== name) {
    throw new ApiFault(
      'invalid',
      `the name of the resource (${own}) does not match the name in the URI (${name})`,
    );
  }
  if (namespace !== undefined && textAt(metadata, 'namespace') !== namespace) {
    throw new ApiFault(
      'invalid',
      `the namespace of the resource does not match the namespace in the URI (${namespace})`,
    );
  }
}
