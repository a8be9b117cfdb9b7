import { z } from 'zod';
import { FerryError } from '../core/errors.js';
import { get, show, unusable, type ApiAnswer } from './api-http.js';

export interface ApiOptions {
  /** Such as `https://sensu.example.com:8080`; a path in it is kept in front. */
  readonly url: string;
  /** Certificates in PEM to trust instead of the system's. */
  readonly ca?: Buffer;
  readonly apiKey?: string;
  /** For each request as a whole. Default 10 s. */
  readonly timeoutMs?: number;
}

export interface BackendVersion {
  readonly sensuBackend: string;
  /** The etcd that is built into the backend, used or not. */
  readonly etcdServer: string;
  /** The etcd that the backend is on; empty when it may not ask. */
  readonly etcdCluster: string;
}

export interface BackendHealth {
  readonly members: readonly MemberHealth[];
  /** Alarms that are on in the store, such as `NOSPACE`. */
  readonly alarms: number;
}

export interface MemberHealth {
  readonly id: bigint;
  readonly name: string;
  readonly healthy: boolean;
  /** Empty when there is none. */
  readonly error: string;
}

/**
 * What is asked of a backend's API. Every call ends within the deadline and throws a FerryError that names the
 * URL: unreachable, denied (API_DENIED), or failed (an answer that is none of Sensu's).
 */
export interface ApiClient {
  /** Needs no login. */
  version(): Promise<BackendVersion>;
  /** Needs no login. See `explainHealth` before believing it. */
  health(): Promise<BackendHealth>;
  /** Needs an API key. It stands in the store, so it proves which store the backend is on. */
  clusterId(): Promise<string>;
  /** Whether this user can log in. */
  authenticates(user: string, password: string): Promise<boolean>;
  /** Whether the backend says that it serves; one before 6.8 is ready when it answers at all. */
  isReady(): Promise<boolean>;
}

const versionForm = z.object({
  sensu_backend: z.string(),
  etcd: z.object({ etcdserver: z.string(), etcdcluster: z.string() }),
});

/** `MemberID` stands beside `MemberIDHex` as a number beyond 2^53, which JSON.parse rounds. */
const healthForm = z.object({
  Alarms: z.array(z.unknown()).nullable(),
  ClusterHealth: z
    .array(
      z.object({
        MemberIDHex: z.string().regex(/^[0-9a-f]{1,16}$/i),
        Name: z.string(),
        Err: z.string(),
        Healthy: z.boolean(),
      }),
    )
    .nullable(),
});

export function createApiClient({ url, ca, apiKey, timeoutMs = 10_000 }: ApiOptions): ApiClient {
  const base = parseUrl(url);
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) throw unusableKey();
  const ask = (path: string, authorization?: string): Promise<Exchange> => {
    const target = new URL(base.pathname.replace(/\/$/, '') + path, base);
    const optional = { ...(ca && { ca }), ...(authorization !== undefined && { authorization }) };
    return get({ url: target, timeoutMs, ...optional }).then((answer) => ({ url: target, ...answer }));
  };
  return {
    version: async () => {
      const { sensu_backend, etcd } = parseAnswer(await ask('/version'), versionForm);
      return { sensuBackend: sensu_backend, etcdServer: etcd.etcdserver, etcdCluster: etcd.etcdcluster };
    },
    health: async () => {
      const { Alarms, ClusterHealth } = parseAnswer(await ask('/health'), healthForm);
      return { alarms: Alarms?.length ?? 0, members: (ClusterHealth ?? []).map(memberHealth) };
    },
    clusterId: async () => {
      if (apiKey === undefined) throw noKey(base);
      return parseAnswer(await ask('/api/core/v2/cluster/id', `Key ${apiKey}`), z.string().min(1));
    },
    authenticates: async (user, password) => {
      const basic = Buffer.from(`${user}:${password}`).toString('base64');
      const exchange = await ask('/auth/test', `Basic ${basic}`);
      if (exchange.status === 200 || exchange.status === 401) return exchange.status === 200;
      throw badStatus(exchange);
    },
    isReady: async () => {
      const exchange = await ask('/ready');
      if ([200, 404, 503].includes(exchange.status)) return exchange.status !== 503;
      throw badStatus(exchange);
    },
  };
}

interface Exchange extends ApiAnswer {
  readonly url: URL;
}

type StoredHealth = NonNullable<z.infer<typeof healthForm>['ClusterHealth']>[number];

function memberHealth({ MemberIDHex, Name, Err, Healthy }: StoredHealth): MemberHealth {
  return { id: BigInt(`0x${MemberIDHex}`), name: Name, healthy: Healthy, error: Err };
}

/** Says what an answer of `/health` means, because its word for Sensu's own login is wrong. */
export function explainHealth({ members, alarms }: BackendHealth): string {
  const ill = members.filter(({ healthy }) => !healthy);
  const alarm =
    alarms === 0 ? '' : ` ${alarms} alarm${alarms === 1 ? ' is' : 's are'} on: see etcdctl alarm list.`;
  if (members.length === 0) return `It lists no members.${alarm}`;
  if (ill.length === 0) return `All ${members.length} etcd members are healthy.${alarm}`;
  const names = ill.map(({ name, error }) => `${name} (${error})`).join(', ');
  if (ill.every(({ error }) => error.includes('user name is empty'))) {
    return (
      `${ill.length} of ${members.length} etcd members are shown as unhealthy with "user name is empty". This is no ` +
      'fault: /health asks without the password that Sensu itself logs in with. The proof that the store is ' +
      `served is the cluster id and a login.${alarm}`
    );
  }
  return (
    `Shown as unhealthy: ${names}. /health asks the client URLs that each member advertises, which this backend ` +
    `must be able to reach.${alarm}`
  );
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new FerryError({
    kind: 'usage',
    code: 'API_URL_UNUSABLE',
    // Not repeated: it may hold a password.
    message: 'The URL of the API is no http or https URL.',
    hint: 'Give one such as http://127.0.0.1:8080.',
  });
}

function parseAnswer<Shape>(exchange: Exchange, form: z.ZodType<Shape>): Shape {
  if (exchange.status !== 200) throw badStatus(exchange);
  let value: unknown;
  try {
    value = JSON.parse(exchange.body);
  } catch {
    throw unusable(exchange.url, 'is not JSON');
  }
  const parsed = form.safeParse(value);
  if (parsed.success) return parsed.data;
  throw unusable(exchange.url, 'has not the form that Sensu gives it');
}

function badStatus({ url, status }: Exchange): FerryError {
  if (status === 401 || status === 403) return denied(url, status);
  if (status >= 500) {
    return new FerryError({
      kind: 'unreachable',
      code: 'API_FAILED',
      message: `${show(url)} answered with HTTP status ${status}.`,
      hint: 'Look at the log of sensu-backend: often it cannot reach its etcd.',
    });
  }
  return unusable(url, `has the HTTP status ${status}`);
}

function denied(url: URL, status: number): FerryError {
  return new FerryError({
    kind: 'denied',
    code: 'API_DENIED',
    message: `${show(url)} refused the credentials (HTTP status ${status}).`,
    hint: 'Check that the API key is in the store, and that its user is enabled and may read the cluster.',
  });
}

function unusableKey(): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'API_KEY_UNUSABLE',
    message: 'The API key is empty, or holds blanks or characters that no key has.',
    hint: 'Give a file that holds the key alone.',
  });
}

function noKey(url: URL): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'API_KEY_MISSING',
    message: `${url.origin} tells its cluster id only to someone with an API key.`,
    hint: 'Give one with --api-key-file.',
  });
}
