import { describe, expect, test } from 'vitest';
import type { DumpResource } from '../../../src/dump/read/resource.js';
import { changesTo } from '../../../src/restore/config/compare.js';
import { refuseKeysWithoutUser } from '../../../src/restore/config/key-owners.js';
import { planResource } from '../../../src/restore/config/plan-resource.js';
import { notesOf, warningsOf } from '../../../src/restore/config/plan-warnings.js';
import type { PlannedResource } from '../../../src/restore/config/planned.js';
import { putSilence } from '../../../src/restore/config/put-silence.js';
import type { ApiConnection } from '../../../src/sensu/api/connection.js';
import { faultOf } from '../../../src/sensu/api/faults.js';
import { routeOf } from '../../../src/sensu/api/routes.js';
import type { ApiObject } from '../../../src/sensu/resources/api-value.js';

const place = { file: 'dump.yml', document: 1, line: 1 };

function resource(type: string, name: string, spec: ApiObject, metadata: ApiObject = {}): DumpResource {
  const isOfCluster = type === 'User' || type === 'APIKey';
  const namespace = isOfCluster ? undefined : 'default';
  const whole = { name, ...(namespace !== undefined && { namespace }), ...metadata };
  return { type, apiVersion: 'core/v2', namespace, name, isKnown: true, place, metadata: whole, spec };
}

const silence = (spec: ApiObject): DumpResource =>
  resource('Silenced', 'db:*', { subscription: 'db', reason: 'move', ...spec });

const pathsOf = (current: DumpResource, wanted: DumpResource): string[] =>
  changesTo(current, wanted).map(({ path }) => path);

/** Answers from a map of paths, and keeps what was put. */
function apiWith(answers: Readonly<Record<string, string>>) {
  const puts: unknown[] = [];
  const api: ApiConnection = {
    shownUrl: 'http://sensu.example.com:8080',
    username: undefined,
    request: (method, path, body) => {
      const url = new URL(path, 'http://sensu.example.com:8080');
      if (method === 'PUT') puts.push(JSON.parse(body ?? 'null'));
      const answer = method === 'PUT' ? '' : answers[path];
      if (answer === undefined) return Promise.reject(faultOf(url, 404, '{"message":"not found","code":2}'));
      return Promise.resolve({ url, status: 200, headers: {}, body: answer });
    },
  };
  return { api, puts };
}

/** Each was found as a change again at every run. */
describe('what Sensu sets itself is no change', () => {
  test('the creator of a silence: whoever asks becomes it', () => {
    const wanted = silence({ expire: 600n, begin: 100n, expire_at: 700n, creator: 'zoe' });
    const stored = silence({ expire: 600n, begin: 100n, expire_at: 700n, creator: 'admin' });
    expect(pathsOf(stored, wanted)).toEqual([]);
    expect(pathsOf(stored, silence({ ...wanted.spec, reason: 'other' }))).toEqual(['spec.reason']);
    expect(pathsOf(stored, silence({ ...wanted.spec, expire_at: 800n }))).toEqual(['spec.expire_at']);
  });

  test('the end that 6.12 gives a silence without one, and its later begin', () => {
    const wanted = silence({ expire: -1n, begin: 100n, expire_at: 0n });
    expect(pathsOf(silence({ expire: 0n, begin: 90_000n, expire_at: 176_400n }), wanted)).toEqual([]);
    // Somebody's own silence of an hour is another one.
    expect(pathsOf(silence({ expire: 3600n, begin: 100n, expire_at: 3700n }), wanted)).toEqual([
      'spec.expire',
    ]);
    expect(pathsOf(silence({ expire: -1n, begin: 200n, expire_at: 0n }), wanted)).toEqual(['spec.begin']);
  });

  test('begin and end where the dump gives the length of a silence alone', () => {
    const stored = silence({ expire: 600n, begin: 100n, expire_at: 700n });
    expect(pathsOf(stored, silence({ expire: 600n }))).toEqual([]);
  });

  test('what an agent reports: of an entity that is there Sensu takes the configuration alone', () => {
    const entity = (entityClass: string, lastSeen: bigint): DumpResource =>
      resource('Entity', 'web', { entity_class: entityClass, last_seen: lastSeen });
    expect(pathsOf(entity('agent', 2n), entity('agent', 1n))).toEqual([]);
    expect(pathsOf(entity('proxy', 2n), entity('proxy', 1n))).toEqual(['spec.last_seen']);
  });

  test('a hash that is the same, where etcd could be asked for it', () => {
    const user = (hash?: string): DumpResource =>
      resource('User', 'erin', { username: 'erin', ...(hash !== undefined && { password_hash: hash }) });
    expect(pathsOf(user('$2a$10$a'), user('$2a$10$a'))).toEqual([]);
    expect(pathsOf(user(), user('$2a$10$a'))).toEqual(['spec.password_hash']);
    expect(JSON.stringify(changesTo(user('$2a$10$b'), user('$2a$10$a')))).not.toContain('$2a$');
  });
});

describe('a silence without an end', () => {
  const [name, route] = ['db:*', routeOf('Silenced', 'core/v2')!];
  const path = `/api/core/v2/namespaces/default/silenced/${encodeURIComponent(name)}`;
  const endless = silence({ expire: -1n, begin: 100n, expire_at: 0n });

  /** 6.12 says 201, and a day after its begin it is over: of one that began last week nothing is left. */
  test('that is gone as soon as it is stored begins now', async () => {
    const { api, puts } = apiWith({});
    await putSilence(api, route, endless);
    expect(puts).toEqual([
      expect.objectContaining({ expire: -1, begin: 100 }),
      expect.not.objectContaining({ begin: 100 }),
    ]);
  });

  test('that stays is sent once', async () => {
    const { api, puts } = apiWith({ [path]: '{"metadata":{"name":"db:*"},"expire":-1}' });
    await putSilence(api, route, endless);
    expect(puts).toHaveLength(1);
  });
});

const event = (check: string, timestamp: bigint, more: ApiObject = {}): DumpResource =>
  resource('Event', `web/${check}`, {
    entity: { metadata: { name: 'web' } },
    check: { metadata: { name: check }, ...more },
    timestamp,
  });

const now = new Date(1_000_000);

async function planned(
  wanted: DumpResource,
  current?: DumpResource,
  withEvents = true,
): Promise<PlannedResource> {
  return planResource(wanted, {
    api: apiWith({}).api,
    namespaces: new Set(['default']),
    current: () => Promise.resolve(current),
    options: { withEvents, directly: 'api-keys' },
    now,
  });
}

describe('an event', () => {
  /** Sensu takes a posted keepalive for a fresh one: a dead agent passed for alive. */
  test.each([true, false])('that is a keepalive is never posted (--with-events: %s)', async (withEvents) => {
    expect(await planned(event('keepalive', 5n), undefined, withEvents)).toMatchObject({
      action: 'refused',
      refusal: 'keepalive',
    });
  });

  test('that Sensu has already is not posted again, nor one that it has a later result of', async () => {
    expect(await planned(event('disk', 5n), event('disk', 5n, { occurrences: 9n }))).toMatchObject({
      action: 'equal',
    });
    expect(await planned(event('disk', 5n), event('disk', 6n))).toMatchObject({ refusal: 'event-passed' });
    expect(await planned(event('disk', 5n), event('disk', 4n))).toMatchObject({ action: 'change' });
    expect(await planned(event('disk', 5n), event('disk', 5n), false)).toMatchObject({ refusal: 'event' });
  });

  test('comes with a word of what posting it does', async () => {
    const posted = [
      await planned(event('disk', 5n, { handlers: ['mail'], ttl: 60n })),
      await planned(event('load', 5n)),
      await planned(event('keepalive', 5n)),
    ];
    expect(warningsOf(posted, apiWith({}).api, now)).toEqual([
      expect.stringMatching(
        /event that is posted \(2\).* a new result: its occurrences and its history grow.* \(1 have some\).* \(1 have one\)/,
      ),
    ]);
  });
});

test('a silence that has ended is not sent, and that is said: Sensu would delete it, and it would be sent for ever', async () => {
  const ended = await planned(silence({ expire: 600n, begin: 100n, expire_at: 700n }));
  expect(ended.action).toBe('equal');
  expect(warningsOf([ended], apiWith({}).api, now)).toEqual([]);
  expect(notesOf([ended], now)).toEqual(['Not sent, as they have ended meanwhile: Silenced default/db:*.']);
  expect((await planned(silence({ expire: 600n, begin: 900n, expire_at: 1500n }))).action).toBe('create');
});

/** The plan promised keys that the run then refused. */
test('an API key is planned only for a user who is there or comes back', async () => {
  const key = (name: string, username: string) => planned(resource('APIKey', name, { username }));
  const all = [
    await planned(resource('User', 'erin', { username: 'erin', password_hash: '$2a$10$a' })),
    await planned(resource('User', 'nohash', { username: 'nohash' })),
    ...(await Promise.all([key('k1', 'erin'), key('k2', 'nohash'), key('k3', 'gone'), key('k4', 'there')])),
  ];
  const { api } = apiWith({ '/api/core/v2/users/there': '{"username":"there"}' });
  const settled = await refuseKeysWithoutUser(api, all);
  expect(settled.map(({ action, refusal }) => refusal ?? action)).toEqual([
    ...['create', 'no-password', 'write', 'user-missing', 'user-missing', 'write'],
  ]);
});
