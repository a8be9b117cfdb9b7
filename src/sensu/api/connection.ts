import { setTimeout as sleep } from 'node:timers/promises';
import { FerryError } from '../../core/errors.js';
import { faultOf, isWebPage, unusable } from './faults.js';
import { exchange, keepConnections, type ApiAnswer } from './http.js';
import { createAuthorizer, type ApiLogin, type Ask, type Authorizer } from './login.js';
import { checkApiKey, parseApiUrl, targetOf } from './target.js';

export interface ApiConnectionOptions {
  /** Such as `https://sensu.example.com:8080`; a path in it is kept in front. */
  readonly url: string;
  readonly login: ApiLogin;
  /** Certificates in PEM to trust instead of the system's. */
  readonly ca?: Buffer;
  /** For each request as a whole; default 30 s. */
  readonly timeoutMs?: number;
  /** Before each further try of a request that failed on the way; default three tries more within some seconds. */
  readonly waitsMs?: readonly number[];
  readonly signal?: AbortSignal;
}

export interface ApiConnection {
  /** For messages: without a password that someone wrote into it. */
  readonly shownUrl: string;
  /** The user that logs in with a password; undefined with an API key. */
  readonly username: string | undefined;
  /**
   * One request to a path such as `/api/core/v2/checks?limit=100`, with the login and after faults of the way tried
   * again, so it must be one that may be done twice. Resolves with an answer of the status 2xx.
   * @throws FerryError see `faultOf` and `exchange`
   */
  request(method: 'GET' | 'PUT', path: string, body?: string): Promise<ApiAnswer & { readonly url: URL }>;
}

const usualWaitsMs = [250, 1000, 4000];

/** A page of events with long outputs is some MiB; etcd takes no value above 1.5 MiB. */
const bodyLimit = 256 * 1024 * 1024;

/** Nothing is asked yet. @throws FerryError API_URL_UNUSABLE, API_KEY_UNUSABLE (`usage`) */
export function connectApi(options: ApiConnectionOptions): ApiConnection {
  const base = parseApiUrl(options.url);
  const { login, ca, signal, timeoutMs = 30_000, waitsMs = usualWaitsMs } = options;
  if ('apiKey' in login) checkApiKey(login.apiKey);
  const optional = { ...(ca && { ca }), ...(signal && { signal }), agent: keepConnections(base) };
  const ask: AskAny = async ({ path, ...request }) => {
    const url = targetOf(base, path);
    return { url, ...(await exchange({ url, timeoutMs, bodyLimit, ...optional, ...request })) };
  };
  // A refresh is a POST, and goes on to a login when it fails.
  const authorizer = createAuthorizer(login, (request) =>
    request.method === 'GET' ? retry(() => ask(request), waitsMs, signal) : ask(request),
  );
  return {
    shownUrl: base.origin + base.pathname.replace(/\/$/, ''),
    username: 'username' in login ? login.username : undefined,
    request: (method, path, body) => {
      const request = { method, path, ...(body !== undefined && { body }) };
      return retry(() => askAuthorized(ask, authorizer, request), waitsMs, signal);
    },
  };
}

interface AnyRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: string;
}

type AskAny = (request: AnyRequest & { readonly authorization: string }) => ReturnType<Ask>;

/** A token may be refused before its time, as by a backend that was restarted with another secret. */
async function askAuthorized(ask: AskAny, authorizer: Authorizer, request: AnyRequest): ReturnType<Ask> {
  const authorization = await authorizer.header();
  let answer = await ask({ ...request, authorization });
  if (answer.status === 401 && (await authorizer.renew(authorization))) {
    answer = await ask({ ...request, authorization: await authorizer.header() });
  }
  if (answer.status >= 200 && answer.status < 300) return withoutPage(answer);
  throw faultOf(answer.url, answer.status, answer.body);
}

/** A proxy that asks for a login says 200 too, and what was put would pass for stored. */
function withoutPage<Answer extends ApiAnswer & { readonly url: URL }>(answer: Answer): Answer {
  if (!isWebPage(answer.body)) return answer;
  throw unusable(answer.url, `is a web page (HTTP status ${answer.status})`);
}

async function retry<Result>(
  work: () => Promise<Result>,
  waitsMs: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Result> {
  for (const wait of waitsMs) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!mayPass(error)) throw error;
    }
    // Rejects with an error of its own; the reason of the signal says more.
    await sleep(wait, undefined, { ...(signal && { signal }) }).catch(() => undefined);
    signal?.throwIfAborted();
  }
  return work();
}

/** A certificate that is not trusted will not be a moment later. */
function mayPass(error: unknown): boolean {
  return error instanceof FerryError && ['API_FAILED', 'API_TIMEOUT', 'API_UNREACHABLE'].includes(error.code);
}
