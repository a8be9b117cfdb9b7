import { setImmediate } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import { isApiObject, type ApiObject, type ApiResource, type ApiValue } from '../resources/api-value.js';
import { fromBody, toBody } from './body.js';
import type { ApiConnection } from './connection.js';
import { show, unusable } from './faults.js';
import type { ApiAnswer } from './http.js';
import { formatJson, parseJson } from './json.js';
import { listPath, resourcePath, type ApiRoute } from './routes.js';

/** Sensu's own sensuctl takes as many. */
const pageSize = 100;

/**
 * The resources of a type, in the order of their names; without a namespace those of all namespaces, which takes a
 * role of the whole cluster. Page by page, the next being asked for while this one is used: what changes between two
 * of them may be there or not. @throws FerryError see `faultOf`
 */
export async function* listResources(
  api: ApiConnection,
  route: ApiRoute,
  namespace?: string,
): AsyncGenerator<ApiResource> {
  const path = listPath(route, namespace);
  if (route.scope === 'single') {
    yield fromBody(route, readObject(await api.request('GET', path)));
    return;
  }
  const ask = (token: string): Promise<Answer> => {
    const query = new URLSearchParams({ limit: String(pageSize), ...(token !== '' && { continue: token }) });
    const page = api.request('GET', `${path}?${query.toString()}`);
    // A page that is asked for in advance has nobody to fail to when the reader stops early.
    page.catch(() => undefined);
    return page;
  };
  const seen = new Set<string>();
  let pending: Promise<Answer> | undefined = ask('');
  while (pending !== undefined) {
    const answer: Answer = await pending;
    const next = nextToken(answer);
    // Such a server would be read for ever.
    if (seen.has(next)) throw unusable(answer.url, 'leads back to an earlier page');
    if (next !== '') seen.add(next);
    pending = next === '' ? undefined : ask(next);
    // A page is worked through without a pause, and what is asked for would go out behind it.
    await setImmediate();
    for (const body of readList(answer)) yield fromBody(route, body);
  }
}

/** Undefined when there is none of this name. */
export async function getResource(
  api: ApiConnection,
  route: ApiRoute,
  name: string,
  namespace?: string,
): Promise<ApiResource | undefined> {
  try {
    return fromBody(route, readObject(await api.request('GET', resourcePath(route, name, namespace))));
  } catch (error) {
    if (error instanceof FerryError && error.code === 'API_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Creates a resource, or replaces the one that has its name. */
export async function putResource(
  api: ApiConnection,
  route: ApiRoute,
  name: string,
  resource: ApiResource,
  namespace?: string,
): Promise<void> {
  await api.request('PUT', resourcePath(route, name, namespace), formatJson(toBody(route, resource)));
}

type Answer = ApiAnswer & { readonly url: URL };

function nextToken({ headers }: Answer): string {
  const token = headers['sensu-continue'];
  return typeof token === 'string' ? token : '';
}

/** Go writes an empty list as null, at times. */
function readList(answer: Answer): readonly ApiObject[] {
  const list = read(answer);
  if (list === null) return [];
  if (!Array.isArray(list)) throw unusable(answer.url, 'is not the list that Sensu gives');
  return (list as readonly ApiValue[]).map((item) => {
    if (isApiObject(item)) return item;
    throw unusable(answer.url, 'has something in its list that is no resource');
  });
}

function readObject(answer: Answer): ApiObject {
  const value = read(answer);
  if (isApiObject(value)) return value;
  throw unusable(answer.url, 'is no resource');
}

function read({ url, status, body }: Answer): ApiValue {
  const value = parseJson(body);
  if (value !== undefined) return value;
  throw new FerryError({
    kind: 'failed',
    code: 'API_ANSWER_UNUSABLE',
    message: `The answer of ${show(url)} is not JSON, or is cut off after ${body.length} characters (HTTP status ${status}).`,
    hint: 'Check for a proxy on the way that cuts answers short, and that the URL is that of sensu-backend (port 8080).',
  });
}
