import { z } from 'zod';
import { FerryError } from '../../core/errors.js';
import { formatCounted } from '../../core/units.js';
import { faultOf, unusable } from './faults.js';
import { exchange, type ApiAnswer } from './http.js';
import { parseJson } from './json.js';
import { checkApiKey, parseApiUrl, targetOf } from './target.js';

export interface ApiOptions {
  /** Such as `https://sensu.example.com:8080`; a path in it is kept in front. */
  readonly url: string;
  /** Certificates in PEM to trust instead of the system's. */
  readonly ca?: Buffer;
  readonly apiKey?: string;
  /** For each request as a whole. Default 10 s. */
  readonly timeoutMs?: number;
}

interface BackendVersion {
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

interface MemberHealth {
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
  const base = parseApiUrl(url);
  if (apiKey !== undefined) checkApiKey(apiKey);
  const ask = (path: string, authorization?: string): Promise<Exchange> => {
    const target = targetOf(base, path);
    const optional = { ...(ca && { ca }), ...(authorization !== undefined && { authorization }) };
    return exchange({ url: target, timeoutMs, ...optional }).then((answer) => ({ url: target, ...answer }));
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
      const answer = await ask('/auth/test', `Basic ${basic}`);
      if (answer.status === 200 || answer.status === 401) return answer.status === 200;
      throw badStatus(answer);
    },
    isReady: async () => {
      const answer = await ask('/ready');
      if ([200, 404, 503].includes(answer.status)) return answer.status !== 503;
      throw badStatus(answer);
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
    alarms === 0 ? '' : ` ${formatCounted(alarms, 'alarm is', 'alarms are')} on: see etcdctl alarm list.`;
  if (members.length === 0) return `It lists no members.${alarm}`;
  if (ill.length === 0) {
    return members.length === 1
      ? `The one etcd member is healthy.${alarm}`
      : `All ${members.length} etcd members are healthy.${alarm}`;
  }
  const names = ill.map(({ name, error }) => `${name} (${error})`).join(', ');
  if (ill.every(({ error }) => error.includes('user name is empty'))) {
    return (
      `${ill.length} of ${formatCounted(members.length, 'etcd member')} shown as unhealthy with "user name is empty". This is no ` +
      'fault: /health asks without the password that Sensu itself logs in with. The proof that the store is ' +
      `served is the cluster id and a login.${alarm}`
    );
  }
  return (
    `Shown as unhealthy: ${names}. /health asks the client URLs that each member advertises, which this backend ` +
    `must be able to reach.${alarm}`
  );
}

function parseAnswer<Shape>(answer: Exchange, form: z.ZodType<Shape>): Shape {
  if (answer.status !== 200) throw badStatus(answer);
  const value = parseJson(answer.body);
  if (value === undefined) throw unusable(answer.url, 'is not JSON');
  const parsed = form.safeParse(value);
  if (parsed.success) return parsed.data;
  throw unusable(answer.url, 'has not the form that Sensu gives it');
}

function badStatus({ url, status, body }: Exchange): FerryError {
  return faultOf(url, status, body);
}

function noKey(url: URL): FerryError {
  return new FerryError({
    kind: 'usage',
    code: 'API_KEY_MISSING',
    message: `${url.origin} tells its cluster id only to someone with an API key.`,
    hint: 'Give one with --api-key-file.',
  });
}
