import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyConfig } from '../../../src/restore/config/apply-config.js';
import { planConfig, type ConfigOptions } from '../../../src/restore/config/plan-config.js';
import { countActions, type ConfigPlan } from '../../../src/restore/config/planned.js';
import { requireSameStore } from '../../../src/restore/config/write-directly.js';
import { connectApi } from '../../../src/sensu/api/connection.js';
import { createApiClient } from '../../../src/sensu/api/client.js';
import { classifyKey } from '../../../src/sensu/keys/key-space.js';
import { without, type ApiResource } from '../../../src/sensu/resources/api-value.js';
import { entityConfigs, entityStates, kindOfGroup } from '../../../src/sensu/resources/kinds.js';
import { toApiResource } from '../../../src/sensu/resources/to-api-resource.js';
import { sensuRoot } from '../../../src/store/sensu-root.js';
import type { ServedDouble } from '../../support/served-double.js';
import { storedResources } from '../../sensu/resources/recorded.js';
import { startEtcd } from '../../support/etcd.js';
import { silentContext } from '../../support/silent-context.js';
import { connectTo, documentOf, dumpOf, erinsKey, freshTarget, nameOf } from './target.js';

let folder: string;
let target: ServedDouble;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sensu-ferry-config-'));
  target = await freshTarget();
}, 120_000);
afterAll(async () => {
  await target.stop();
  await rm(folder, { recursive: true });
});

const throughApi: ConfigOptions = { withEvents: false, directly: 'nothing' };

/** When the stores were recorded: their silences have ended since. */
const atRecording = () => ({
  ...silentContext(),
  clock: { now: () => new Date('2026-11-23T12:00:00Z') },
});

async function plan(dump: string, options = throughApi, context = atRecording()): Promise<ConfigPlan> {
  return planConfig(context, connectTo(target.url), dump, options);
}

async function restore(dump: string, options = throughApi) {
  const planned = await plan(dump, options);
  const context = silentContext();
  const result = await applyConfig(context, { api: connectTo(target.url), client: target.client }, planned);
  return { planned, result };
}

async function dumpWith(...resources: ApiResource[]): Promise<string> {
  const path = join(await mkdtemp(join(folder, 'dump-')), 'dump.json');
  await writeFile(path, resources.map(documentOf).join('\n'));
  return path;
}

const check = (name: string, namespace: string, interval: number): ApiResource => ({
  type: 'CheckConfig',
  apiVersion: 'core/v2',
  metadata: { name, namespace, labels: { tier: 'web' } },
  spec: { command: 'true', interval, subscriptions: [], publish: false },
});

const refusalsOf = ({ resources }: ConfigPlan): string[] =>
  resources.flatMap(({ resource, refusal }) =>
    refusal === undefined ? [] : [`${nameOf(resource)}: ${refusal}`],
  );

/** What the store of the target holds, without who made it. */
async function resourcesInStore(): Promise<Map<string, ApiResource>> {
  const { entries } = await target.client.range(sensuRoot);
  const resources = entries.flatMap(({ key, value }) => {
    const kind = classifyKey(key);
    if (kindOfGroup(kind.group) === undefined && kind.group !== entityStates) return [];
    return [toApiResource(kind, value)!.resource];
  });
  return new Map(resources.map((resource) => [nameOf(resource), withoutAuthor(resource)]));
}

const withoutAuthor = (resource: ApiResource): ApiResource => ({
  ...resource,
  metadata: without(resource.metadata, ['created_by']),
});

describe('a dump with secrets, restored into a fresh Sensu', () => {
  const notSent = new Set(['Event', 'APIKey']);

  test('is planned in the order in which one thing needs another', async () => {
    const planned = await plan(await dumpOf('kitchen-sink-6.12.0', folder));
    const types = planned.resources.map(({ resource }) => resource.type);
    expect([...new Set(types)]).toEqual([
      ...[
        'Namespace',
        'ClusterRole',
        'Role',
        'ClusterRoleBinding',
        'RoleBinding',
        'User',
        'APIKey',
        'TessenConfig',
      ],
      ...['Asset', 'HookConfig', 'EventFilter', 'Mutator', 'Handler', 'Pipeline', 'CheckConfig'],
      ...['Entity', 'Silenced', 'Event'],
    ]);
    expect(refusalsOf(planned)).toEqual([
      `APIKey ${erinsKey}: api-key`,
      'Event default: event',
      'Event ops: event',
    ]);
    // sensuctl had hidden them before Sensu ever stored them.
    expect(planned.warnings).toEqual([
      expect.stringContaining('labels.password, annotations.api_key are REDACTED'),
    ]);
  });

  test('is in the store as it was, but for who made it', async () => {
    const { result } = await restore(await dumpOf('kitchen-sink-6.12.0', folder));
    expect(result.failed.map(({ error }) => error.message)).toEqual([]);
    expect(result.notTried).toEqual([]);
    const stored = await resourcesInStore();
    const wanted = storedResources('kitchen-sink-6.12.0').filter(
      ({ resource }) => !notSent.has(resource.type),
    );
    for (const { resource } of wanted) {
      if (resource.type === 'Entity') continue;
      expect(stored.get(nameOf(resource)), nameOf(resource)).toEqual(withoutAuthor(resource));
    }
  });

  test('lets everybody log in as before', async () => {
    const api = createApiClient({ url: target.url });
    expect(await api.authenticates('erin', 'ErinPass12')).toBe(true);
    expect(await api.authenticates('admin', 'P@ssw0rd!')).toBe(true);
    expect(await api.authenticates('erin', 'wrong')).toBe(false);
    // Disabled, as in the dump.
    expect(await api.authenticates('frank', 'FrankPass1')).toBe(false);
  });

  test('can be restored again: all is equal but the hashes, which the API never shows', async () => {
    const { planned, result } = await restore(await dumpOf('kitchen-sink-6.12.0', folder));
    const { create, change, equal } = countActions(planned.resources);
    expect({ create, change }).toEqual({ create: 0, change: 4 });
    expect(equal).toBeGreaterThan(35);
    const changed = planned.resources.filter(({ action }) => action === 'change');
    expect(changed.map(({ resource }) => nameOf(resource))).toEqual([
      ...['User admin', 'User agent', 'User erin', 'User frank'],
    ]);
    expect(
      JSON.stringify(
        changed.map(({ fields }) => fields),
        (_key, value: unknown) => String(value),
      ),
    ).not.toMatch(/\$2a/);
    expect(result.failed).toEqual([]);
  });

  test('gets its API keys back through etcd, and they work', async () => {
    const dump = await dumpOf('kitchen-sink-6.12.0', folder, ({ type }) => type === 'APIKey');
    const { planned, result } = await restore(dump, { ...throughApi, directly: 'api-keys' });
    expect(planned.resources.map(({ action }) => action)).toEqual(['equal', 'write']);
    expect(result.failed).toEqual([]);
    const [key] = storedResources('kitchen-sink-6.12.0').filter(
      ({ resource }) => resource.metadata['name'] === erinsKey,
    );
    expect((await resourcesInStore()).get(`APIKey ${erinsKey}`)).toEqual(withoutAuthor(key!.resource));
    const asErin = createApiClient({ url: target.url, apiKey: erinsKey });
    expect(await asErin.clusterId()).not.toBe('');
    expect(countActions((await plan(dump)).resources)).toMatchObject({ equal: 2 });
  });
});

describe.each([
  ['single-6.7.5', ['Event default: keepalive']],
  ['cluster3-6.12.0', ['Event default: keepalive', 'Event default: keepalive']],
])('a dump of %s, with agents that were at work', (store, refused) => {
  test('is brought back whole with etcd beside the API, and lets everybody log in', async () => {
    const fresh = await freshTarget();
    try {
      const dump = await dumpOf(store, folder);
      const api = connectTo(fresh.url);
      const options: ConfigOptions = { withEvents: true, directly: 'refused-too' };
      const planned = await planConfig(atRecording(), api, dump, options);
      expect(refusalsOf(planned)).toEqual(refused);
      const result = await applyConfig(silentContext(), { api, client: fresh.client }, planned);
      expect(result.failed.map(({ error }) => error.message)).toEqual([]);
      const again = await planConfig(atRecording(), api, dump, { ...options, client: fresh.client });
      expect(countActions(again.resources)).toMatchObject({ create: 0, change: 0, write: 0 });
      const login = createApiClient({ url: fresh.url });
      expect(await login.authenticates('alice', 'AlicePass1')).toBe(true);
      expect(await login.authenticates('bob', 'BobPass123')).toBe(true);
      expect(await login.authenticates('carol', 'CarolPass1')).toBe(false);
    } finally {
      await fresh.stop();
    }
  }, 240_000);
});

describe('a plan', () => {
  test('shows what changes by field, and only that', async () => {
    await restore(await dumpWith(check('disk', 'default', 10)));
    const changed = check('disk', 'default', 20);
    const planned = await plan(
      await dumpWith({ ...changed, metadata: { ...changed.metadata, created_by: 'someone' } }),
    );
    expect(planned.resources[0]).toMatchObject({
      action: 'change',
      fields: [{ path: 'spec.interval', before: 10n, after: 20n }],
    });
    const same = await plan(await dumpWith(check('disk', 'default', 10)));
    expect(same.resources[0]!.action).toBe('equal');
  });

  test('takes what names no namespace for the default one, as sensuctl does', async () => {
    const nowhere = check('nowhere', '', 10);
    const { result } = await restore(await dumpWith(nowhere));
    expect(result.failed).toEqual([]);
    expect((await resourcesInStore()).has('CheckConfig default nowhere')).toBe(true);
  });

  test('refuses what Sensu would, each with its reason', async () => {
    const agent: ApiResource = {
      type: 'Entity',
      apiVersion: 'core/v2',
      metadata: { name: 'web', namespace: 'default', labels: { 'sensu.io/managed_by': 'sensu-agent' } },
      spec: { entity_class: 'agent' },
    };
    const planned = await plan(
      await dumpWith(
        { type: 'User', apiVersion: 'core/v2', metadata: {}, spec: { username: 'nobody' } },
        { type: 'APIKey', apiVersion: 'core/v2', metadata: { name: 'new' }, spec: { username: 'admin' } },
        agent,
        check('disk', 'gone', 10),
        { ...check('gadget', 'default', 1), type: 'Gadget', apiVersion: 'acme/v1' },
        { ...check('template', '', 1), type: 'ResourceTemplate', apiVersion: 'core/v3' },
        { ...check('half', 'default', 1), type: 'EntityConfig', apiVersion: 'core/v3', spec: {} },
        { ...check('vault', '', 1), type: 'Provider', apiVersion: 'secrets/v1' },
      ),
    );
    expect(refusalsOf(planned)).toEqual([
      'User nobody: no-password',
      'APIKey new: api-key',
      'Provider vault: other-type',
      'CheckConfig gone disk: namespace-missing',
      'Entity default web: agent-managed',
      'Gadget default gadget: unknown-type',
      'ResourceTemplate template: resource-template',
      'EntityConfig default half: half-entity',
    ]);
  });

  /** The trap: half of a restore fails, as its own login got another password on the way. */
  test('warns of the user that it logs in as itself', async () => {
    const hash = '$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5Ck2KmHHFqSyXLFZ1nqgEpGdqZ1lW';
    const user = (username: string, disabled: boolean): ApiResource => ({
      type: 'User',
      apiVersion: 'core/v2',
      metadata: {},
      spec: { username, password_hash: hash, disabled },
    });
    const dump = await dumpWith(user('admin', false), user('other', false));
    const asAdmin = connectApi({ url: target.url, login: { username: 'admin', password: 'P@ssw0rd!' } });
    const { warnings } = await planConfig(silentContext(), asAdmin, dump, throughApi);
    expect(warnings).toEqual([
      expect.stringMatching(/^User admin, .* gets the password that the dump has: /),
    ]);
    expect((await plan(dump)).warnings).toEqual([]);
    const disabled = await dumpWith(user('admin', true));
    expect((await planConfig(silentContext(), asAdmin, disabled, throughApi)).warnings).toEqual([
      expect.stringMatching(/^User admin, .* is disabled in the dump: /),
    ]);
  });

  test('of an entity with values that the API hides never shows them, and sends them again', async () => {
    const entity: ApiResource = {
      type: 'Entity',
      apiVersion: 'core/v2',
      metadata: { name: 'router', namespace: 'default', labels: { password: 'hunter2' } },
      spec: { entity_class: 'proxy' },
    };
    const dump = await dumpWith(entity);
    await restore(dump);
    expect((await resourcesInStore()).get('EntityConfig default router')?.metadata['labels']).toEqual({
      password: 'hunter2',
    });
    expect((await plan(dump)).resources[0]).toMatchObject({
      action: 'change',
      fields: [{ path: 'metadata.labels.password', before: '(hidden)', after: '(hidden)' }],
    });
  });

  test('is none when a field is of the wrong type: its place and path are told', async () => {
    const path = join(folder, 'wrong.yml');
    await writeFile(
      path,
      'type: Namespace\nspec: {name: late}\n---\ntype: Handler\nmetadata: {name: h, namespace: default}\nspec:\n  timeout: s3cret\n',
    );
    await expect(plan(path)).rejects.toMatchObject({
      kind: 'source',
      code: 'DUMP_FIELD_UNUSABLE',
      message: `${path}, document 2, line 4: Handler default/h: spec.timeout is a text, where Sensu has a whole number.`,
    });
  });

  test('warns of fields that it does not know, and of values that a dump has lost', async () => {
    const { metadata, spec, ...rest } = check('newer', 'default', 10);
    const entity: ApiResource = {
      type: 'Entity',
      apiVersion: 'core/v2',
      metadata: { name: 'lost', namespace: 'default', labels: { password: 'REDACTED' } },
      spec: { entity_class: 'proxy' },
    };
    const planned = await plan(
      await dumpWith({ ...rest, metadata, spec: { ...spec, ttl_status: 1 } }, entity),
    );
    expect(planned.warnings).toEqual([
      'CheckConfig default/newer: spec.ttl_status is no field that Sensu has there; it is sent as it is.',
      expect.stringContaining('Entity default/lost: labels.password are REDACTED in the dump'),
    ]);
  });
});

describe('what the API refuses', () => {
  test('goes into etcd with both halves of an entity, and never over what is there', async () => {
    const [agent] = storedResources('single-6.7.5').filter(
      ({ resource }) => nameOf(resource) === 'Entity default agent-1',
    );
    const { metadata } = agent!.resource;
    const labels = { 'sensu.io/managed_by': 'sensu-agent' };
    const dump = await dumpWith({ ...agent!.resource, metadata: { ...metadata, labels } });
    const { planned, result } = await restore(dump, { ...throughApi, directly: 'refused-too' });
    expect(planned.resources.map(({ action }) => action)).toEqual(['write']);
    expect(result.failed).toEqual([]);
    expect(countActions((await plan(dump)).resources)).toMatchObject({ equal: 1 });
    // Planned before it was there, as when an agent connects in between.
    const again = await applyConfig(
      silentContext(),
      { api: connectTo(target.url), client: target.client },
      planned,
    );
    expect(again.failed).toEqual([]);
    await target.client.txn({
      writes: [
        { type: 'put', key: Buffer.from(`${entityConfigs}default/agent-1`), value: Buffer.from('{}') },
      ],
    });
    const over = await applyConfig(
      silentContext(),
      { api: connectTo(target.url), client: target.client },
      planned,
    );
    expect(over.failed.map(({ error }) => error.code)).toEqual(['ALREADY_THERE']);
  });

  test('is not written for a user who is not there', async () => {
    const dump = await dumpWith({
      type: 'APIKey',
      apiVersion: 'core/v2',
      metadata: { name: '11111111-2222-3333-4444-555555555555' },
      spec: { username: 'ghost', created_at: 1n },
    });
    const planned = await plan(dump, { ...throughApi, directly: 'api-keys' });
    expect(refusalsOf(planned)).toEqual(['APIKey 11111111-2222-3333-4444-555555555555: user-missing']);
    // Deleted between the plan and the run.
    const [refused] = planned.resources;
    const promised = { ...planned, resources: [{ ...refused!, action: 'write' as const }] };
    const reached = { api: connectTo(target.url), client: target.client };
    const result = await applyConfig(silentContext(), reached, promised);
    expect(result.failed.map(({ error }) => [error.code, error.message])).toEqual([
      ['OWNER_MISSING', 'APIKey …5555 is not written, because its user "ghost" is not there.'],
    ]);
  });

  test('is never written to another etcd than that of the API', async () => {
    const other = await startEtcd({ until: 'test' });
    const client = await other.connect();
    await expect(requireSameStore(client, connectTo(target.url))).rejects.toMatchObject({
      code: 'NO_SENSU_STORE',
    });
    const key = Buffer.from('/sensu.io/cluster_id');
    await client.txn({ writes: [{ type: 'put', key, value: Buffer.from('another') }] });
    await expect(requireSameStore(client, connectTo(target.url))).rejects.toMatchObject({
      code: 'OTHER_STORE',
    });
    await expect(requireSameStore(target.client, connectTo(target.url))).resolves.toBeUndefined();
  });

  test('events are sent when asked for', async () => {
    const dump = await dumpOf('kitchen-sink-6.12.0', folder, ({ type }) => type === 'Event');
    const { planned, result } = await restore(dump, { ...throughApi, withEvents: true });
    expect(countActions(planned.resources)).toMatchObject({ create: 2 });
    expect(result.failed).toEqual([]);
  });
});
