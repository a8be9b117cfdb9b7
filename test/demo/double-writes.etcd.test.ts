import { compare } from 'bcryptjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectApi, type ApiConnection } from '../../src/sensu/api/connection.js';
import type { ApiLogin } from '../../src/sensu/api/login.js';
import { getResource, listResources, putResource } from '../../src/sensu/api/resources.js';
import { routeOf, type ApiRoute } from '../../src/sensu/api/routes.js';
import type { ApiObject, ApiResource } from '../../src/sensu/resources/api-value.js';
import { singleKey } from '../../src/store/sensu-root.js';
import { failureOf } from '../support/ferry-error.js';
import { serveDouble, type ServedDouble } from '../support/served-double.js';

const keys = {
  admin: '24484dcc-ee3e-4f43-a347-a4aec7cd1523',
  bob: '45e26305-6f07-4944-a186-ee64e84f819c',
  alice: '93d09685-5f01-49c5-8f66-3c13eace793d',
};

let double: ServedDouble;
beforeAll(async () => {
  double = await serveDouble('cluster3-6.12.0');
}, 120_000);
afterAll(() => double.stop());

const connect = (login: ApiLogin = { apiKey: keys.admin }): ApiConnection =>
  connectApi({ url: double.url, login, waitsMs: [] });
const route = (type: string): ApiRoute => routeOf(type, 'core/v2')!;

async function collect(api: ApiConnection, type: string, namespace?: string): Promise<ApiResource[]> {
  const all: ApiResource[] = [];
  for await (const resource of listResources(api, route(type), namespace)) all.push(resource);
  return all;
}

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: ApiObject;
}

async function put(type: string, metadata: Metadata, spec: ApiObject, api = connect()): Promise<void> {
  const resource = { type, apiVersion: 'core/v2', metadata: { ...metadata }, spec };
  await putResource(api, route(type), metadata.name, resource, metadata.namespace);
}

const find = (type: string, name: string, namespace?: string): Promise<ApiResource | undefined> =>
  getResource(connect(), route(type), name, namespace);

describe('a list of the double', () => {
  it('is given in pages that together are the whole', async () => {
    const api = connect();
    for (const type of ['Entity', 'Event', 'CheckConfig', 'Role']) {
      const all = await collect(api, type);
      const response = await fetch(`${double.url}/api/core/v2/${route(type).plural}`, {
        headers: { authorization: `Key ${keys.admin}` },
      });
      expect(response.headers.get('sensu-continue')).toBeNull();
      expect(all).toHaveLength(((await response.json()) as unknown[]).length);
    }
    expect((await collect(api, 'Event')).length).toBeGreaterThan(200);
  });

  it('of one namespace has nothing of another', async () => {
    const checks = await collect(connect(), 'CheckConfig', 'production');
    expect(checks.map(({ metadata }) => metadata['name'])).toEqual(['check-proxy']);
  });

  /** The trap: without `list` for the whole cluster, the API has no answer for all namespaces at once. */
  it('is refused to a user without the role, and given where there is one', async () => {
    const alice = connect({ apiKey: keys.alice });
    expect((await failureOf(collect(alice, 'CheckConfig'))).code).toBe('API_FORBIDDEN');
    expect(await collect(alice, 'CheckConfig', 'production')).toHaveLength(1);
    expect((await failureOf(collect(alice, 'User'))).code).toBe('API_FORBIDDEN');
    const known = await collect(alice, 'Namespace');
    expect(known.map(({ spec }) => spec['name'])).toEqual(['production']);
    expect(await collect(connect({ apiKey: keys.bob }), 'Namespace')).toEqual([]);
  });
});

describe('a token of the double', () => {
  const login = { username: 'admin', password: 'P@ssw0rd!' };
  const later = (seconds: number): void => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
  };
  afterEach(() => {
    vi.useRealTimers();
  });

  it('ends, and is renewed', async () => {
    const api = connect(login);
    await api.request('GET', '/api/core/v2/namespaces');
    later(301);
    expect((await api.request('GET', '/api/core/v2/namespaces')).status).toBe(200);
  });

  it('is refused when it has ended', async () => {
    const given = await fetch(`${double.url}/auth`, {
      headers: { authorization: `Basic ${btoa('admin:P@ssw0rd!')}` },
    });
    const { access_token: token } = (await given.json()) as { access_token: string };
    const ask = (): Promise<Response> =>
      fetch(`${double.url}/api/core/v2/namespaces`, { headers: { authorization: `Bearer ${token}` } });
    expect((await ask()).status).toBe(200);
    later(301);
    expect((await ask()).status).toBe(401);
  });

  it('is not given to a user who is disabled', async () => {
    const failure = await failureOf(collect(connect({ username: 'carol', password: 'CarolPass1' }), 'User'));
    expect(failure.code).toBe('API_LOGIN_REFUSED');
  });
});

describe('what the double takes', () => {
  it('is stored with who sent it', async () => {
    await put('CheckConfig', { name: 'new', namespace: 'default' }, { command: 'true', interval: 10 });
    const stored = await find('CheckConfig', 'new', 'default');
    expect(stored?.metadata).toEqual({ name: 'new', namespace: 'default', created_by: 'admin' });
    expect(stored?.spec).toMatchObject({ command: 'true', interval: 10, subscriptions: [] });
  });

  it('lies in the store as Sensu itself writes it', async () => {
    const key = singleKey(Buffer.from('/sensu.io/checks/default/check-cpu'));
    const before = (await double.client.range(key)).entries[0]!;
    const check = (await find('CheckConfig', 'check-cpu', 'default'))!;
    await putResource(connect(), route('CheckConfig'), 'check-cpu', check, 'default');
    const after = (await double.client.range(key)).entries[0]!;
    expect(after.modRevision).toBeGreaterThan(before.modRevision);
    expect(after.value).toEqual(before.value);
  });

  it('must have fields of the right type', async () => {
    const failure = await failureOf(
      put('CheckConfig', { name: 'bad', namespace: 'default' }, { interval: 'x' }),
    );
    expect(failure.code).toBe('API_INVALID');
  });

  it('must be what the path says', async () => {
    const resource = {
      ...{ type: 'Asset', apiVersion: 'core/v2' },
      ...{ metadata: { name: 'a', namespace: 'default' }, spec: {} },
    };
    for (const [name, namespace] of [
      ['b', 'default'],
      ['a', 'production'],
    ] as const) {
      const failure = await failureOf(putResource(connect(), route('Asset'), name, resource, namespace));
      expect(failure.code).toBe('API_INVALID');
    }
  });

  it('must have its namespace', async () => {
    const failure = await failureOf(put('Asset', { name: 'a', namespace: 'nowhere' }, {}));
    expect(failure).toMatchObject({ code: 'API_NAMESPACE_MISSING' });
    expect(failure.message).toContain('the namespace nowhere does not exist');
  });

  it('is refused from a user without the role', async () => {
    const alice = connect({ apiKey: keys.alice });
    const failure = await failureOf(put('Asset', { name: 'a', namespace: 'production' }, {}, alice));
    expect(failure.code).toBe('API_FORBIDDEN');
  });

  it('gives a new namespace its role and binding', async () => {
    await put('Namespace', { name: 'fresh' }, { name: 'fresh' });
    for (const type of ['Role', 'RoleBinding']) {
      const [made] = await collect(connect(), type, 'fresh');
      expect(made?.metadata).toEqual({ name: 'system:pipeline', namespace: 'fresh', created_by: 'admin' });
    }
  });
});

describe('a user that the double takes', () => {
  it('needs a password or its hash', async () => {
    const failure = await failureOf(put('User', { name: 'dave' }, { username: 'dave' }));
    expect(failure).toMatchObject({ code: 'API_INVALID' });
    expect(failure.message).toContain('a password or its hash is required');
  });

  it('logs in with the password that a hash was given for, which nobody sees', async () => {
    const { entries } = await double.client.range(singleKey(Buffer.from('/sensu.io/users/alice')));
    const hash = /\$2a\$\d\d\$[./A-Za-z0-9]{53}/.exec(entries[0]!.value.toString('latin1'))![0];
    expect(await compare('AlicePass1', hash)).toBe(true);
    const spec = { username: 'dave', groups: ['cluster-admins'], password_hash: hash };
    await put('User', { name: 'dave' }, spec);
    const dave = connect({ username: 'dave', password: 'AlicePass1' });
    expect((await collect(dave, 'User')).map(({ spec: { username } }) => username)).toContain('dave');
    expect((await find('User', 'dave'))?.spec).toEqual({
      username: 'dave',
      groups: ['cluster-admins'],
      disabled: false,
    });
  });

  it('may be given a password', async () => {
    await put('User', { name: 'eve' }, { username: 'eve', password: 'EvePass1234' });
    const failure = await failureOf(collect(connect({ username: 'eve', password: 'wrong' }), 'User'));
    expect(failure.code).toBe('API_LOGIN_REFUSED');
    expect(await collect(connect({ username: 'eve', password: 'EvePass1234' }), 'Namespace')).toEqual([]);
  });
});

it('takes no API key', async () => {
  const failure = await failureOf(put('APIKey', { name: keys.bob }, { username: 'bob' }), [keys.bob]);
  expect(failure.code).toBe('API_METHOD_REFUSED');
});

describe('an entity that the double takes', () => {
  it('is shown without its secrets, by itself and in an event', async () => {
    const metadata = { name: 'safe', namespace: 'default', labels: { password: 'hunter2', site: 'lyon' } };
    await put('Entity', metadata, { entity_class: 'proxy', subscriptions: ['net'] });
    const entity = await find('Entity', 'safe', 'default');
    // Sensu does not say who made an entity.
    expect(entity?.metadata).toEqual({ ...metadata, labels: { password: 'REDACTED', site: 'lyon' } });
    const event = {
      entity: { metadata, entity_class: 'proxy' },
      check: { metadata: { name: 'c', namespace: 'default' } },
    };
    const body = { type: 'Event', apiVersion: 'core/v2', metadata: { namespace: 'default' }, spec: event };
    await putResource(connect(), route('Event'), 'safe/c', body, 'default');
    const stored = await find('Event', 'safe/c', 'default');
    expect(
      JSON.stringify(stored, (_name, value: unknown) => (typeof value === 'bigint' ? '' : value)),
    ).not.toContain('hunter2');
  });

  it('may not be one that its agent manages', async () => {
    const labels = { 'sensu.io/managed_by': 'sensu-agent' };
    const failure = await failureOf(
      put('Entity', { name: 'agent-9', namespace: 'default', labels }, { entity_class: 'agent' }),
    );
    expect(failure).toMatchObject({ code: 'API_CONFLICT' });
    expect(failure.message).toContain('entity is managed by its agent');
  });

  it('keeps what its agent has told, when it is of an agent', async () => {
    const before = await find('Entity', 'agent-1', 'default');
    await put('Entity', { name: 'agent-1', namespace: 'default' }, { entity_class: 'agent', system: {} });
    const after = await find('Entity', 'agent-1', 'default');
    expect(after?.spec['system']).toEqual(before?.spec['system']);
    expect(after?.spec['subscriptions']).not.toEqual(before?.spec['subscriptions']);
  });
});

describe('a silence that the double takes', () => {
  const metadata = { name: 'linux:*', namespace: 'default' };

  /** The trap of 6.12: nobody can restore a silence of a week. */
  it('lasts a day at most', async () => {
    const failure = await failureOf(put('Silenced', metadata, { subscription: 'linux', expire: 86_401 }));
    expect(failure.code).toBe('API_SILENCE_TOO_LONG');
  });

  it('ends after a day when it has no end', async () => {
    await put('Silenced', metadata, { subscription: 'linux', expire: -1, begin: 1_795_401_170 });
    const stored = await find('Silenced', 'linux:*', 'default');
    // As in the store of kitchen-sink-6.12.0.
    expect(stored?.spec).toMatchObject({ expire: -1n, expire_at: 1_795_487_570n, creator: 'admin' });
  });
});
