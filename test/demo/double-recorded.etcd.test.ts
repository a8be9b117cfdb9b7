import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseJson } from '../../src/sensu/api/json.js';
import type { ApiObject } from '../../src/sensu/resources/api-value.js';
import { recordedAnswer, type RecordedAnswer } from '../support/recorded-api.js';
import { serveDouble, type ServedDouble } from '../support/served-double.js';

/** The key of admin in the recorded store. */
const authorization = 'Key 24484dcc-ee3e-4f43-a347-a4aec7cd1523';

let double: ServedDouble;
beforeAll(async () => {
  double = await serveDouble('cluster3-6.12.0');
}, 120_000);
afterAll(() => double.stop());

async function ask(path: string, init: RequestInit = {}): Promise<RecordedAnswer> {
  const response = await fetch(double.url + path, { headers: { authorization }, ...init });
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  };
}

/** Headers that a client looks at. */
const telling = ['content-type', 'x-content-type-options', 'sensu-continue'];

function expectSameHead(answer: RecordedAnswer, name: string): void {
  const recorded = recordedAnswer(name);
  expect(answer.status).toBe(recorded.status);
  for (const header of telling) expect(answer.headers[header], header).toBe(recorded.headers[header]);
}

/** The trap of every double: to be told from the real one by nobody but the tests that use it. */
describe('the double answers as the recorded backend did', () => {
  it.each([
    ['apikeys', '/api/core/v2/apikeys'],
    ['assets', '/api/core/v2/assets'],
    ['checks', '/api/core/v2/checks'],
    ['cluster_id', '/api/core/v2/cluster/id'],
    ['clusterrolebindings', '/api/core/v2/clusterrolebindings'],
    ['clusterroles', '/api/core/v2/clusterroles'],
    ['filters', '/api/core/v2/filters'],
    ['handlers', '/api/core/v2/handlers'],
    ['hooks', '/api/core/v2/hooks'],
    ['mutators', '/api/core/v2/mutators'],
    ['namespaces', '/api/core/v2/namespaces'],
    ['pipelines', '/api/core/v2/pipelines'],
    ['ready', '/ready'],
    ['rolebindings', '/api/core/v2/rolebindings'],
    ['roles', '/api/core/v2/roles'],
    ['silenced', '/api/core/v2/silenced'],
    ['tessen', '/api/core/v2/tessen'],
    ['users', '/api/core/v2/users'],
  ])('%s', async (name, path) => {
    const answer = await ask(path);
    expectSameHead(answer, name);
    const recorded = recordedAnswer(name).body;
    expect(parseJson(answer.body) ?? answer.body).toEqual(parseJson(recorded) ?? recorded);
  });

  it.each([
    ['unauthorized', '/api/core/v2/checks', { headers: {} }],
    ['auth_wrong', '/auth', { headers: { authorization: `Basic ${btoa('admin:wrong')}` } }],
    [
      'put_apikey',
      '/api/core/v2/apikeys/24484dcc-ee3e-4f43-a347-a4aec7cd1523',
      { method: 'PUT', body: '{}' },
    ],
    [
      'put_user_without_password',
      '/api/core/v2/users/dave',
      { method: 'PUT', body: '{"username":"dave","groups":["dev"],"disabled":false}' },
    ],
  ] as const)('%s', async (name, path, init) => {
    const answer = await ask(path, init);
    expectSameHead(answer, name);
    expect(answer.body).toBe(recordedAnswer(name).body);
  });

  /** Between the recordings the agents went on: when they were last seen is all that moved. */
  it('a page of entities', async () => {
    const answer = await ask('/api/core/v2/entities?limit=20');
    expectSameHead(answer, 'entities');
    const withoutSight = (text: string): unknown =>
      (JSON.parse(text) as ApiObject[]).map((entity) => {
        const metadata = entity['metadata'] as ApiObject;
        const isAgent = ['agent-1', 'agent-2'].includes(metadata['name'] as string);
        return isAgent ? { ...entity, last_seen: 'moved' } : entity;
      });
    expect(withoutSight(answer.body)).toEqual(withoutSight(recordedAnswer('entities').body));
  });

  /** The checks of the agents went on; the 300 events that were posted stood still. */
  it('a page of events', async () => {
    const answer = await ask('/api/core/v2/events?limit=20');
    expectSameHead(answer, 'events');
    const [ours, recorded] = [answer.body, recordedAnswer('events').body].map(
      (text) => JSON.parse(text) as ApiObject[],
    );
    expect(ours!.map(nameOf)).toEqual(recorded!.map(nameOf));
    const still = (events: ApiObject[]): unknown =>
      events.filter((event) => !nameOf(event).startsWith('agent-'));
    expect(still(ours!)).toEqual(still(recorded!));
    expect((still(ours!) as unknown[]).length).toBeGreaterThan(10);
  });
});

function nameOf(event: ApiObject): string {
  const parts = [event['entity'], event['check']] as ApiObject[];
  return parts.map((part) => (part['metadata'] as ApiObject)['name'] as string).join('/');
}
