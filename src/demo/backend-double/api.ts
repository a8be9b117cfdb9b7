import bcrypt from 'bcryptjs';
import http from 'node:http';
import type { EtcdClient } from '../../etcd/client.js';
import { decodeApiKey, decodeUser } from '../../sensu/values.js';
import { prefixRange, singleKey } from '../../store/sensu-root.js';

export interface ApiDouble {
  readonly client: EtcdClient;
  /** `embedded`, or how it logs in: `/health` is wrong under password auth, and the double is as wrong. */
  readonly mode: 'embedded' | 'external' | 'external-with-password';
  readonly sensuVersion: string;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

const text = (body: string, status = 200): Answer => ({ status, body });
const json = (body: string): Answer => ({ status: 200, body, type: 'application/json' });

/** As recorded: what an API answers to wrong credentials. */
const badCredentials: Answer = { status: 401, body: '{"Code":5,"Message":"bad credentials"}' };

/** Serves what a migration asks of Sensu's API, from the store that the double is on. */
export async function serveApi(double: ApiDouble, host: string, port: number): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    void answerTo(double, request)
      .catch((): Answer => text('{"message":"internal error","code":0}', 500))
      .then(({ status, body, type }) => {
        response.writeHead(status, { 'content-type': type ?? 'text/plain; charset=utf-8' });
        response.end(body);
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  return server;
}

async function answerTo(double: ApiDouble, request: http.IncomingMessage): Promise<Answer> {
  const { pathname } = new URL(request.url ?? '/', 'http://double');
  const open = openRoutes[pathname];
  if (open !== undefined) return open(double, request);
  const guarded = guardedRoutes[pathname];
  if (guarded === undefined) return text('404 page not found', 404);
  return (await holdsApiKey(double.client, request)) ? guarded(double) : badCredentials;
}

type Route = (double: ApiDouble, request: http.IncomingMessage) => Promise<Answer>;

const openRoutes: Readonly<Record<string, Route>> = {
  '/health': health,
  '/version': version,
  '/ready': () => Promise.resolve(text('ready\n')),
  '/auth/test': async ({ client }, request) =>
    (await logsIn(client, request)) ? text('') : text('Unauthorized\n', 401),
};

const guardedRoutes: Readonly<Record<string, (double: ApiDouble) => Promise<Answer>>> = {
  '/api/core/v2/cluster/id': async ({ client }) => {
    const { entries } = await client.range(singleKey(Buffer.from('/sensu.io/cluster_id')));
    return text(`${JSON.stringify(entries[0]?.value.toString('utf8') ?? '')}\n`);
  },
  '/api/core/v2/namespaces': async ({ client }) => {
    const { entries } = await client.range(prefixRange(Buffer.from('/sensu.io/namespaces/')));
    return json(JSON.stringify(entries.map(({ key }) => ({ name: lastPart(key) }))));
  },
  '/api/core/v2/users': async ({ client }) => {
    const { entries } = await client.range(prefixRange(Buffer.from('/sensu.io/users/')));
    const users = entries.map(({ value }) => decodeUser(value));
    return json(
      JSON.stringify(
        users.map(({ username, groups, disabled }) => ({
          username,
          ...(groups.length > 0 && { groups }),
          disabled,
        })),
      ),
    );
  },
};

const lastPart = (key: Buffer): string => key.toString('utf8').split('/').at(-1)!;

/** Ids beyond 2^53 stand in the answer as numbers, as the real one writes them: a trap for JSON.parse. */
async function health({ client, mode }: ApiDouble): Promise<Answer> {
  const healthy = mode !== 'external-with-password';
  const members = await client.members();
  const list = members.map(
    ({ id, name }) =>
      `{"MemberID":${id},"MemberIDHex":"${id.toString(16)}","Name":${JSON.stringify(name)},` +
      `"Err":${healthy ? '""' : '"etcdserver: user name is empty"'},"Healthy":${healthy}}`,
  );
  const memberId = members[0]?.id ?? 0n;
  return text(
    `{"Alarms":null,"ClusterHealth":[${list.join(',')}],` +
      `"Header":{"cluster_id":${memberId},"member_id":${memberId},"raft_term":2}}\n`,
  );
}

/** `etcdcluster` is the version of the first endpoint that answers; newer etcd refuses that to a user without root. */
async function version({ client, mode, sensuVersion }: ApiDouble): Promise<Answer> {
  const status = await client.status(client.endpoints[0]!).catch(() => undefined);
  const cluster = status?.version ?? (mode === 'embedded' ? '3.5.0' : '');
  return text(
    JSON.stringify({
      etcd: { etcdserver: '3.5.15', etcdcluster: cluster },
      sensu_backend: sensuVersion,
      api_groups: { 'core/v2': 'v2.20.0', 'core/v3': 'v3.9.0' },
    }),
  );
}

async function holdsApiKey(client: EtcdClient, request: http.IncomingMessage): Promise<boolean> {
  const name = /^Key ([\w-]+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (name === undefined) return false;
  const { entries } = await client.range(singleKey(Buffer.from(`/sensu.io/apikeys/${name}`)));
  return entries[0] !== undefined && decodeApiKey(entries[0].value).owner !== '';
}

async function logsIn(client: EtcdClient, request: http.IncomingMessage): Promise<boolean> {
  const encoded = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const [username = '', ...password] = Buffer.from(encoded ?? '', 'base64')
    .toString('utf8')
    .split(':');
  const { entries } = await client.range(singleKey(Buffer.from(`/sensu.io/users/${username}`)));
  if (entries[0] === undefined) return false;
  const user = decodeUser(entries[0].value);
  return !user.disabled && (await bcrypt.compare(password.join(':'), storedHash(entries[0].value)));
}

/** The bcrypt hash as it stands in the value: the fields that hold it are text, and nothing else looks like one. */
function storedHash(value: Buffer): string {
  return /\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}/.exec(value.toString('latin1'))?.[0] ?? '';
}
