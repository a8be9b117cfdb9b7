import http from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { ApiFault, badCredentials, noRoute, text, unauthorized, type Answer } from './answer.js';
import { answerResource } from './resource-routes.js';
import { ResourceStore } from './resource-store.js';
import { Sessions } from './sessions.js';
import { clusterId, health, version, type ApiDouble } from './status-routes.js';

export type { ApiDouble } from './status-routes.js';

/** Serves Sensu's API from the store that the double is on. */
export async function serveApi(double: ApiDouble, host: string, port: number): Promise<http.Server> {
  const backend: Backend = {
    double,
    sessions: new Sessions(double.client),
    store: new ResourceStore(double.client),
  };
  const server = http.createServer((request, response) => {
    void answerTo(backend, request)
      .catch((error: unknown): Answer => (error instanceof ApiFault ? error.answer : internalError))
      .then(({ status, headers, body }) => {
        response.writeHead(status, { ...headers });
        response.end(body);
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  return server;
}

const internalError: Answer = text('{"message":"internal error","code":0}', 500);

interface Backend {
  readonly double: ApiDouble;
  readonly sessions: Sessions;
  readonly store: ResourceStore;
}

async function answerTo(backend: Backend, request: http.IncomingMessage): Promise<Answer> {
  const { method = 'GET', headers } = request;
  const { authorization = '' } = headers;
  const url = new URL(request.url ?? '/', 'http://double');
  const body = await readText(request);
  const open = openRoutes[`${method} ${url.pathname}`];
  if (open !== undefined) return open(backend, authorization, body);
  if (!url.pathname.startsWith('/api/')) return noRoute;
  const caller = await backend.sessions.caller(authorization);
  if (caller === undefined) return badCredentials;
  if (url.pathname === '/api/core/v2/cluster/id') return clusterId(backend.double);
  return (await answerResource(backend.store, { method, url, caller, body })) ?? noRoute;
}

type OpenRoute = (backend: Backend, authorization: string, body: string) => Promise<Answer>;

const openRoutes: Readonly<Record<string, OpenRoute>> = {
  'GET /health': ({ double }) => health(double),
  'GET /version': ({ double }) => version(double),
  'GET /ready': () => Promise.resolve(text('ready\n')),
  'GET /auth': ({ sessions }, authorization) => sessions.logIn(authorization),
  'GET /auth/test': async ({ sessions }, authorization) =>
    (await sessions.passwordOwner(authorization)) === undefined ? unauthorized : text(''),
  'POST /auth/token': ({ sessions }, authorization, body) => sessions.refresh(authorization, body),
};
