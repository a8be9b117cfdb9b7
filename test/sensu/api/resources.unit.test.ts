import { describe, expect, it, onTestFinished } from 'vitest';
import { toBody } from '../../../src/sensu/api/body.js';
import { connectApi, type ApiConnection } from '../../../src/sensu/api/connection.js';
import { formatJson, parseJson } from '../../../src/sensu/api/json.js';
import { getResource, listResources, putResource } from '../../../src/sensu/api/resources.js';
import { apiRoutes, listPath, resourcePath, routeOf, type ApiRoute } from '../../../src/sensu/api/routes.js';
import { recordedAnswer, startRecordedApi, type Asked, type Reply } from '../../support/recorded-api.js';
import { failureOf } from '../../support/ferry-error.js';

const route = (type: string, apiVersion = 'core/v2'): ApiRoute => routeOf(type, apiVersion)!;

async function apiOf(
  reply: (asked: Asked) => Reply | undefined,
): Promise<{ api: ApiConnection; asked: readonly Asked[]; connections: () => number }> {
  const server = await startRecordedApi(reply);
  onTestFinished(() => server.stop());
  const api = connectApi({ url: server.url, login: { apiKey: 'test-key' }, waitsMs: [1], timeoutMs: 5000 });
  return { api, asked: server.asked, connections: server.connections };
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('a list', () => {
  /** The trap: Sensu gives a page, and the rest to those only who ask with the token out of the header. */
  it('is read page by page', async () => {
    const pages: Readonly<Record<string, Reply>> = {
      '/api/core/v2/namespaces/production/checks?limit=100': {
        headers: { 'sensu-continue': 'Y2hlY2stMQA' },
        body: '[{"metadata":{"name":"check-1"}}]',
      },
      '/api/core/v2/namespaces/production/checks?limit=100&continue=Y2hlY2stMQA': {
        body: '[{"metadata":{"name":"check-2"}}]',
      },
    };
    const { api } = await apiOf(({ path }) => pages[path]);
    const list = await collect(listResources(api, route('CheckConfig'), 'production'));
    expect(list.map(({ metadata }) => metadata['name'])).toEqual(['check-1', 'check-2']);
    expect(list[0]).toMatchObject({ type: 'CheckConfig', apiVersion: 'core/v2' });
  });

  it.each([
    ['Entity', '/api/core/v2/entities', 'entities'],
    ['Event', '/api/core/v2/events', 'events'],
    ['Silenced', '/api/core/v2/silenced', 'silenced'],
    ['EventFilter', '/api/core/v2/filters', 'filters'],
    ['User', '/api/core/v2/users', 'users'],
    ['RoleBinding', '/api/core/v2/rolebindings', 'rolebindings'],
  ])('is what a real backend answered: %s', async (type, path, name) => {
    // Without the token that leads on: the recordings are of the first page.
    const { body } = recordedAnswer(name);
    const { api } = await apiOf((asked) => (asked.path === `${path}?limit=100` ? { body } : undefined));
    const list = await collect(listResources(api, route(type)));
    const bodies = formatJson(list.map((resource) => toBody(route(type), resource)));
    expect(JSON.parse(bodies)).toEqual(JSON.parse(body));
    expect(list.length).toBeGreaterThan(0);
  });

  it('of one alone is that one', async () => {
    const { api } = await apiOf(({ path }) =>
      path === '/api/core/v2/tessen' ? { body: recordedAnswer('tessen').body } : undefined,
    );
    expect(await collect(listResources(api, route('TessenConfig')))).toMatchObject([
      { metadata: {}, spec: { opt_out: false } },
    ]);
  });

  it.each(['[]', 'null', ' []\n'])('may be empty: %j', async (body) => {
    const { api } = await apiOf(() => ({ body }));
    expect(await collect(listResources(api, route('Asset')))).toEqual([]);
  });

  it.each([
    ['a web page', 'web page' as const, 'web page'],
    ['JSON cut short', { body: '[{"metadata":{"name":"a"}},{"meta' }, 'cut off'],
    ['an object', { body: '{"metadata":{}}' }, 'is not the list'],
    ['numbers', { body: '[1,2]' }, 'no resource'],
    ['JSON nested too deep', { body: '['.repeat(200_000) }, 'not JSON'],
    ['a page that leads to itself', { headers: { 'sensu-continue': 'again' }, body: '[]' }, 'earlier page'],
  ])('is refused when it is %s', async (_what, reply, words) => {
    const { api } = await apiOf(() => reply);
    const failure = await failureOf(collect(listResources(api, route('CheckConfig'))));
    expect(failure).toMatchObject({ kind: 'failed', code: 'API_ANSWER_UNUSABLE' });
    expect(failure.message).toContain(words);
    expect(failure.message).toContain('/api/core/v2/checks');
  });

  it('is refused when its pages lead round in a circle, which would be read for ever', async () => {
    const { api } = await apiOf(({ path }) => ({
      headers: { 'sensu-continue': path.includes('continue=one') ? 'two' : 'one' },
      body: '[{"a":1}]',
    }));
    const failure = await failureOf(collect(listResources(api, route('CheckConfig'))));
    expect(failure).toMatchObject({ code: 'API_ANSWER_UNUSABLE' });
    expect(failure.message).toContain('earlier page');
  });

  it('is read on one connection, the next page being asked for while one is used', async () => {
    const page = ({ path }: Asked): number => Number(/continue=(\d+)/.exec(path)?.[1] ?? 0);
    const { api, asked, connections } = await apiOf((request) => ({
      headers: page(request) < 3 ? { 'sensu-continue': String(page(request) + 1) } : {},
      body: '[{"a":1}]',
    }));
    let used = 0;
    for await (const { spec } of listResources(api, route('Event'))) {
      expect(spec).toEqual({ a: 1 });
      used += 1;
      // The test's own bound ends this where nothing is asked for in advance.
      while (asked.length < Math.min(4, used + 1)) await new Promise(setImmediate);
    }
    expect([used, asked.length, connections()]).toEqual([4, 4, 1]);
  });

  it('may be left early, whatever becomes of the page that was asked for in advance', async () => {
    const { api, asked } = await apiOf(({ path }) =>
      path.includes('continue=') ? 'reset' : { headers: { 'sensu-continue': 'x' }, body: '[{"a":1}]' },
    );
    for await (const { spec } of listResources(api, route('Event'))) {
      expect(spec).toEqual({ a: 1 });
      break;
    }
    // Its second try is the last; a failure that nobody takes would end the test run.
    while (asked.length < 3) await new Promise(setImmediate);
    await new Promise((resolve) => setTimeout(resolve, 50));
  });

  it('goes on where a connection was lost between two pages', async () => {
    let losses = 1;
    const { api } = await apiOf(({ path }) => {
      if (!path.includes('continue=')) return { headers: { 'sensu-continue': 'x' }, body: '[{"a":1}]' };
      losses -= 1;
      return losses >= 0 ? 'cut' : { body: '[{"a":2}]' };
    });
    const list = await collect(listResources(api, route('Event')));
    expect(list.map(({ spec }) => spec)).toEqual([{ a: 1 }, { a: 2 }]);
  });
});

describe('a resource', () => {
  it('is found by its name, or is not there', async () => {
    const { api, asked } = await apiOf(({ path }) =>
      path.endsWith('/entity%3Avm%3A*') ? { body: '{"expire":-1}' } : undefined,
    );
    const found = await getResource(api, route('Silenced'), 'entity:vm:*', 'default');
    expect(found?.spec).toEqual({ expire: -1n });
    expect(await getResource(api, route('Silenced'), 'nothing', 'default')).toBeUndefined();
    expect(asked[0]!.path).toBe('/api/core/v2/namespaces/default/silenced/entity%3Avm%3A*');
  });

  /** A proxy's page is no word of Sensu that there is no such resource. */
  it('is not thought missing because of a page of something else', async () => {
    const { api } = await apiOf(() => ({ status: 404, body: '404 page not found\n' }));
    const failure = await failureOf(getResource(api, route('Asset'), 'a', 'default'));
    expect(failure.code).toBe('API_ANSWER_UNUSABLE');
  });

  it('is put to its path', async () => {
    const { api, asked } = await apiOf(() => ({ status: 201 }));
    const resource = {
      ...{ type: 'CheckConfig', apiVersion: 'core/v2' },
      ...{ metadata: { name: 'a b' }, spec: { ttl: 9_007_199_254_740_993n } },
    };
    await putResource(api, route('CheckConfig'), 'a b', resource, 'x/y');
    expect(asked).toMatchObject([
      {
        method: 'PUT',
        path: '/api/core/v2/namespaces/x%2Fy/checks/a%20b',
        body: '{"ttl":9007199254740993,"metadata":{"name":"a b"}}',
      },
    ]);
  });
});

describe('a body', () => {
  it('of a commercial type is its wrapper', async () => {
    const wrapped = {
      ...{ type: 'Secret', api_version: 'secrets/v1' },
      ...{ metadata: { name: 'token', namespace: 'ops' }, spec: { id: 'TOKEN', provider: 'env' } },
    };
    const { api } = await apiOf(() => ({ body: JSON.stringify([wrapped]) }));
    const [resource] = await collect(listResources(api, route('Secret', 'secrets/v1'), 'ops'));
    expect(resource).toMatchObject({ metadata: wrapped.metadata, spec: wrapped.spec });
    expect(toBody(route('Secret', 'secrets/v1'), resource!)).toEqual(wrapped);
  });

  it('of a user has the name that sensuctl shows as metadata', async () => {
    const { api } = await apiOf(() => ({ body: recordedAnswer('users').body }));
    const carol = (await collect(listResources(api, route('User')))).at(-1)!;
    expect(carol).toMatchObject({ metadata: { name: 'carol' }, spec: { username: 'carol', disabled: true } });
    expect(toBody(route('User'), carol)).toEqual({ username: 'carol', disabled: true });
  });
});

describe('a path', () => {
  it('is there for each type once', () => {
    const paths = apiRoutes.map((each) => listPath(each));
    expect(new Set(paths).size).toBe(paths.length);
    expect(listPath(route('Secret', 'secrets/v1'), 'ops')).toBe(
      '/api/enterprise/secrets/v1/namespaces/ops/secrets',
    );
    expect(resourcePath(route('TessenConfig'), 'default')).toBe('/api/core/v2/tessen');
  });

  it('to an event names its entity and its check', () => {
    expect(resourcePath(route('Event'), 'server-1/check cpu', 'default')).toBe(
      '/api/core/v2/namespaces/default/events/server-1/check%20cpu',
    );
  });

  /** The trap: a check named `..` would be put in place of its namespace. */
  it.each(['', '.', '..'])('has no place for the name %j', (name) => {
    for (const work of [
      () => resourcePath(route('CheckConfig'), name, 'default'),
      () => resourcePath(route('CheckConfig'), 'a', name),
    ]) {
      expect(work).toThrow(expect.objectContaining({ kind: 'refused', code: 'API_NAME_UNUSABLE' }) as Error);
    }
  });
});

describe('JSON', () => {
  /** The trap: JSON.parse makes 11899211072982768000 of an id. */
  it('keeps numbers of 64 bits', () => {
    const text =
      '{"id":11899211072982767986,"least":-9223372036854775808,"small":-5,"part":0.25,"far":1e300}';
    const value = parseJson(text);
    expect(value).toEqual({
      id: 11899211072982767986n,
      least: -9223372036854775808n,
      small: -5,
      part: 0.25,
      far: 1e300,
    });
    expect(formatJson(value!)).toBe(text.replace('1e300', '1e+300'));
  });

  it('has names of any kind', () => {
    const value = parseJson('{"__proto__":{"x":"y"}}');
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });
});
