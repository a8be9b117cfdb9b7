import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ApiSource } from '../../../src/dump/sources/api.js';
import { parseSelection, type SelectionFlags } from '../../../src/dump/selection.js';
import { connectApi } from '../../../src/sensu/api/connection.js';
import type { ApiResource } from '../../../src/sensu/resources/api-value.js';
import { serveDouble, type ServedDouble } from '../../support/served-double.js';
import { failureOf } from '../../support/ferry-error.js';
import { startRecordedApi, type Asked, type Reply } from '../../support/recorded-api.js';
import { compared, recordedResources, sorted, type ComparedResource } from '../recorded-dump.js';

const admin = '3ab2ee1c-0d2b-4c0d-9d6e-9a4f6e1f7b11';

let double: ServedDouble;
beforeAll(async () => {
  double = await serveDouble('kitchen-sink-6.12.0');
}, 120_000);
afterAll(() => double.stop());

const connect = (url: string, apiKey = admin): ReturnType<typeof connectApi> =>
  connectApi({ url, login: { apiKey }, waitsMs: [] });

const everything = parseSelection({});

async function readAll(source: ApiSource): Promise<ApiResource[]> {
  const all: ApiResource[] = [];
  for await (const resource of source.resources()) all.push(resource);
  return all;
}

/** Some events say of no namespace that they are in it. */
const isElsewhere = ({ namespace }: ApiResource['metadata']): boolean =>
  namespace !== undefined && namespace !== 'production';

describe('a dump from the API', () => {
  it('has all that sensuctl writes, field for field, and the events that it leaves out', async () => {
    const source = new ApiSource(connect(double.url), everything);
    const resources = (await readAll(source)).map(compared);
    expect(sorted(resources)).toEqual(sorted(await recordedResources()));
    expect(source.skipped).toEqual([]);
  });

  it('may be of one namespace, with what lies in none', async () => {
    const source = new ApiSource(connect(double.url), parseSelection({ namespace: 'ops' }));
    const resources = (await readAll(source)).map(compared);
    const isElsewhereThanOps = ({ metadata, spec }: ComparedResource): boolean =>
      /"namespace":"(?!ops")/.test(JSON.stringify([metadata, spec]));
    const wanted = (await recordedResources()).filter((resource) => !isElsewhereThanOps(resource));
    expect(sorted(resources)).toEqual(sorted(wanted));
    expect(new Set(resources.map(({ type }) => type))).toContain('Event');
  });

  /** The trap: sensuctl leaves out in silence what its user may not read, and ends with 0. */
  it('says what the user may not read, and gives the rest', async () => {
    const other = await serveDouble('cluster3-6.12.0');
    onTestFinished(() => other.stop());
    // She has a role in the namespace production, which lets her read all that is in it.
    const alice = '93d09685-5f01-49c5-8f66-3c13eace793d';
    const source = new ApiSource(connect(other.url, alice), everything);
    const resources = await readAll(source);
    const types = new Set(resources.map(({ type }) => type));
    expect([...types]).toEqual(['Namespace', 'CheckConfig', 'Entity', 'Event', 'Role', 'RoleBinding']);
    const others = resources.filter(({ metadata }) => isElsewhere(metadata));
    expect(others).toEqual([]);
    const users = { type: 'User', apiVersion: 'core/v2', reason: 'permission' };
    expect(source.skipped).toContainEqual(users);
    // There are checks in other namespaces, of which she does not even know.
    const checks = { type: 'CheckConfig', apiVersion: 'core/v2', reason: 'permission' };
    expect(source.skipped).toContainEqual({ ...checks, readIn: ['production'] });
  });
});

describe('what an API is asked for', () => {
  async function pathsFor(flags: SelectionFlags): Promise<{ paths: string[]; source: ApiSource }> {
    const namespaces = '[{"name":"default"},{"name":"ops"}]';
    const server = await startRecordedApi(({ path }) => ({
      body: path.includes('/namespaces?') ? namespaces : path.includes('?') ? '[]' : '{"opt_out":true}',
    }));
    onTestFinished(() => server.stop());
    const source = new ApiSource(connect(server.url), parseSelection(flags));
    await readAll(source);
    return { paths: server.asked.map(({ path }) => path.replace('?limit=100', '')), source };
  }

  /** The trap: of a store with a hundred namespaces, 99 are read for nothing. */
  it('lies in the one namespace, or in none', async () => {
    const { paths } = await pathsFor({ namespace: 'ops' });
    expect(paths.slice(0, 8)).toEqual([
      '/api/core/v2/namespaces',
      ...['namespaces', 'clusterroles', 'clusterrolebindings', 'users', 'apikeys', 'tessen'].map(
        (name) => `/api/core/v2/${name}`,
      ),
      '/api/core/v2/namespaces/ops/assets',
    ]);
    for (const name of ['checks', 'entities', 'events', 'silenced']) {
      expect(paths).toContain(`/api/core/v2/namespaces/ops/${name}`);
      expect(paths).not.toContain(`/api/core/v2/${name}`);
    }
    expect(paths).toContain('/api/enterprise/secrets/v1/namespaces/ops/secrets');
  });

  it.each<[SelectionFlags, readonly string[]]>([
    [{ types: 'users,checks' }, ['/api/core/v2/users', '/api/core/v2/checks']],
    [{ types: 'checks,users' }, ['/api/core/v2/checks', '/api/core/v2/users']],
    [
      { types: 'checks', namespace: 'ops' },
      ['/api/core/v2/namespaces', '/api/core/v2/namespaces/ops/checks'],
    ],
    [
      { types: 'secrets/v1.Provider,tessen' },
      ['/api/core/v2/tessen', '/api/enterprise/secrets/v1/providers'],
    ],
  ])('is of the types that are wanted: %j', async (flags, wanted) => {
    expect((await pathsFor(flags)).paths).toEqual(wanted);
  });

  it('is never what is to be left out', async () => {
    const all = (await pathsFor({})).paths;
    const omitted = ['/api/core/v2/events', '/api/enterprise/secrets/v1/secrets'];
    const { paths } = await pathsFor({ omit: 'events,secrets/v1.Secret' });
    expect(paths).toEqual(all.filter((path) => !omitted.includes(path)));
    expect(paths).toHaveLength(all.length - 2);
  });

  it('is a namespace that there is', async () => {
    const failure = await failureOf(pathsFor({ namespace: 'opps' }));
    expect(failure).toMatchObject({ kind: 'usage', code: 'NAMESPACE_UNKNOWN' });
    expect(failure.message).toContain('"opps"');
  });

  /** The trap: a type with a slip in its name gives an empty dump, and exits 0. */
  it('is not said of a commercial type that has no known path', async () => {
    const { paths, source } = await pathsFor({ types: 'secrets/v1.Sekret' });
    expect(paths).toEqual([]);
    expect(source.skipped).toEqual([{ type: 'Sekret', apiVersion: 'secrets/v1', reason: 'unknown' }]);
  });
});

describe('a type that an API refuses', () => {
  async function apiOf(reply: (asked: Asked) => Reply | undefined): Promise<ReturnType<typeof connectApi>> {
    const server = await startRecordedApi(reply);
    onTestFinished(() => server.stop());
    return connect(server.url);
  }
  const sensu = (status: number, code: number): Reply => ({
    status,
    body: JSON.stringify({ message: 'no', code }),
  });

  it('is listed with the reason, but for what no open build has', async () => {
    const api = await apiOf(({ path }) => {
      if (path.startsWith('/api/enterprise/secrets/')) return sensu(402, 6);
      if (path.startsWith('/api/core/v2/pipelines')) return sensu(404, 2);
      if (path === '/api/core/v2/tessen') return { body: '{"opt_out":true}' };
      return path.startsWith('/api/core/v2/') ? { body: '[]' } : undefined;
    });
    const source = new ApiSource(api, everything);
    expect((await readAll(source)).map(({ type }) => type)).toEqual(['TessenConfig']);
    expect(source.skipped).toEqual([
      { type: 'Pipeline', apiVersion: 'core/v2', reason: 'missing' },
      { type: 'Provider', apiVersion: 'secrets/v1', reason: 'licence' },
      { type: 'Secret', apiVersion: 'secrets/v1', reason: 'licence' },
    ]);
  });

  /** The trap: behind a wrong path everything is missing, and a dump of nothing passed for one of an empty Sensu. */
  it('although each release has it says that there is no API', async () => {
    const api = await apiOf(() => sensu(404, 2));
    for (const types of ['checks', 'namespaces', 'all']) {
      const failure = await failureOf(readAll(new ApiSource(api, parseSelection({ types }))));
      expect(failure).toMatchObject({ kind: 'usage', code: 'API_NOT_THERE' });
      expect(failure.message).toContain(api.shownUrl);
    }
  });

  /** A list that was begun must not pass for the whole of it. */
  it('in the middle of its list ends the dump', async () => {
    const api = await apiOf(({ path }) => {
      if (path.includes('continue=')) return sensu(403, 4);
      return { headers: { 'sensu-continue': 'x' }, body: '[{"name":"default"}]' };
    });
    expect((await failureOf(readAll(new ApiSource(api, everything)))).code).toBe('API_FORBIDDEN');
  });

  it('because of a fault ends the dump', async () => {
    for (const fault of ['reset', 'cut', 'web page', 'error page'] as const) {
      const api = await apiOf(({ path }) => (path.includes('/checks') ? fault : { body: '[]' }));
      const failure = await failureOf(readAll(new ApiSource(api, everything)));
      expect(failure.message).toMatch(/\/(checks|tessen)/);
    }
  });
});
