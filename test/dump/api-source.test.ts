import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ApiSource } from '../../src/dump/api-source.js';
import { connectApi } from '../../src/sensu/api/connection.js';
import type { ApiResource } from '../../src/sensu/resources/api-value.js';
import { serveDouble, type ServedDouble } from '../demo/served-double.js';
import { failureOf } from '../sensu/api/ferry-error.js';
import { startRecordedApi, type Asked, type Reply } from '../support/recorded-api.js';
import { compared, recordedResources, sorted } from './recorded-dump.js';

const admin = '3ab2ee1c-0d2b-4c0d-9d6e-9a4f6e1f7b11';

let double: ServedDouble;
beforeAll(async () => {
  double = await serveDouble('kitchen-sink-6.12.0');
}, 120_000);
afterAll(() => double.stop());

const connect = (url: string, apiKey = admin): ReturnType<typeof connectApi> =>
  connectApi({ url, login: { apiKey }, waitsMs: [] });

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
    const source = new ApiSource(connect(double.url));
    const resources = (await readAll(source)).map(compared);
    expect(sorted(resources)).toEqual(sorted(await recordedResources()));
    expect(source.skipped).toEqual([]);
  });

  it('may be of some namespaces', async () => {
    const resources = await readAll(new ApiSource(connect(double.url), { namespaces: ['ops'] }));
    expect(new Set(resources.map(({ metadata }) => metadata['namespace']))).toEqual(new Set(['ops']));
    expect(new Set(resources.map(({ type }) => type))).toContain('Event');
  });

  /** The trap: sensuctl leaves out in silence what its user may not read, and ends with 0. */
  it('says what the user may not read, and gives the rest', async () => {
    const other = await serveDouble('cluster3-6.12.0');
    onTestFinished(() => other.stop());
    // She has a role in the namespace production, which lets her read all that is in it.
    const alice = '93d09685-5f01-49c5-8f66-3c13eace793d';
    const source = new ApiSource(connect(other.url, alice));
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
    const source = new ApiSource(api);
    expect((await readAll(source)).map(({ type }) => type)).toEqual(['TessenConfig']);
    expect(source.skipped).toEqual([
      { type: 'Pipeline', apiVersion: 'core/v2', reason: 'missing' },
      { type: 'Provider', apiVersion: 'secrets/v1', reason: 'licence' },
      { type: 'Secret', apiVersion: 'secrets/v1', reason: 'licence' },
    ]);
  });

  /** A list that was begun must not pass for the whole of it. */
  it('in the middle of its list ends the dump', async () => {
    const api = await apiOf(({ path }) => {
      if (path.includes('continue=')) return sensu(403, 4);
      return { headers: { 'sensu-continue': 'x' }, body: '[{"name":"default"}]' };
    });
    expect((await failureOf(readAll(new ApiSource(api)))).code).toBe('API_FORBIDDEN');
  });

  it('because of a fault ends the dump', async () => {
    for (const fault of ['reset', 'cut', 'web page', 'error page'] as const) {
      const api = await apiOf(({ path }) => (path.includes('/checks') ? fault : { body: '[]' }));
      const failure = await failureOf(readAll(new ApiSource(api)));
      expect(failure.message).toMatch(/\/(checks|tessen)/);
    }
  });
});
