import { describe, expect, it } from 'vitest';
import type { Progress } from '../../../src/core/context.js';
import { diffStores, type StoreDiff } from '../../../src/snapshot/diff/diff.js';
import { bytesField, numberField, wrapper } from '../../sensu/resources/wire.js';
import { silentContext } from '../../support/silent-context.js';
import { memoryStore } from './memory-store.js';

const context = silentContext();

type Values = Parameters<typeof memoryStore>[0];

function diff(left: Values, right: Values, limit = 100): Promise<StoreDiff> {
  return diffStores(context, memoryStore(left), memoryStore(right), { limit });
}

const check = (...fields: Buffer[]): Buffer => Buffer.concat(fields);

/** The trap: against a Sensu at work no comparison was ever without a difference. */
describe('the difference of two configurations', () => {
  const now = new Date(1_000_000);
  const configOnly = async (left: Values, right: Values): Promise<StoreDiff> =>
    diffStores({ ...context, clock: { now: () => now } }, memoryStore(left), memoryStore(right), {
      limit: 100,
      configOnly: true,
    });
  const label = (name: string): Buffer => bytesField(3, check(bytesField(1, name), bytesField(2, 'x')));
  const silence = (end: bigint): Buffer =>
    check(bytesField(1, check(bytesField(1, 's:*'), bytesField(2, 'default'))), numberField(11, end));
  const meta = (...labels: Buffer[]): Buffer => bytesField(26, check(bytesField(1, 'a'), ...labels));

  it('leaves out what a Sensu at work changes by itself', async () => {
    const before = {
      'events/default/web/disk': 'x',
      'entity_states/default/web': 'x',
      'keepalives/etcd/default/web': 'x',
      // Go writes maps in any order: it says the same.
      'checks/default/a': meta(label('a'), label('b')),
      // Over by now, and deleted by whoever asked for silences.
      'silenced/default/s:*': silence(900n),
    };
    const after = { 'checks/default/a': meta(label('b'), label('a')), 'events/default/web/load': 'x' };
    const { lasting, ephemeral, changes, configOnly: alone } = await configOnly(before, after);
    const none = { added: 0, removed: 0, changed: 0 };
    expect({ lasting, ephemeral, changes, alone }).toEqual({
      lasting: none,
      ephemeral: none,
      changes: [],
      alone: true,
    });
  });

  it('has what somebody has set up, and what nobody knows', async () => {
    const { changes } = await configOnly(
      { 'silenced/default/s:*': silence(2000n), 'checks/default/a': meta(label('a')), 'tomorrow/x': '1' },
      { 'checks/default/a': meta(label('b')), 'tomorrow/x': '2' },
    );
    expect(changes.map(({ change, key }) => `${change} ${key}`)).toEqual([
      'changed /sensu.io/checks/default/a',
      'removed /sensu.io/silenced/default/s:*',
      'changed /sensu.io/tomorrow/x',
    ]);
  });
});

describe('the difference of two stores', () => {
  it('is none when they hold the same', async () => {
    const store = { 'checks/default/a': check(bytesField(1, 'x')), cluster_id: 'x' };
    const none = { added: 0, removed: 0, changed: 0 };
    expect(await diff(store, store)).toMatchObject({
      lasting: none,
      ephemeral: none,
      changes: [],
      notListed: 0,
    });
  });

  it('tells how far it has come', async () => {
    const done: number[] = [];
    const report = { ...context.report, progress: (progress: Progress) => done.push(progress.done) };
    const store = memoryStore({ 'checks/d/a': 'x', 'checks/d/b': 'x', 'checks/d/c': 'x' });
    await diffStores({ ...context, report }, store, store, { limit: 1 });
    expect(done.at(-1)).toBe(3);
  });

  it('names resources, and the fields that changed', async () => {
    const { changes, lasting } = await diff(
      { 'checks/default/a': check(numberField(5, 10n)), 'handlers/ops/h': bytesField(2, 'pipe') },
      {
        'checks/default/a': check(numberField(5, 20n), bytesField(3, 'h')),
        'hooks/ops/k': bytesField(2, 'ps'),
      },
    );
    expect(lasting).toEqual({ added: 1, removed: 1, changed: 1 });
    expect(changes.map(({ change, kind, namespace, name }) => ({ change, kind, namespace, name }))).toEqual([
      { change: 'changed', kind: 'CheckConfig', namespace: 'default', name: 'a' },
      { change: 'removed', kind: 'Handler', namespace: 'ops', name: 'h' },
      { change: 'added', kind: 'HookConfig', namespace: 'ops', name: 'k' },
    ]);
    expect(changes[0]!.fields).toEqual([
      { path: 'spec.handlers', before: [], after: ['h'] },
      { path: 'spec.interval', before: 10, after: 20 },
    ]);
  });

  it('tells numbers of 64 bits apart that a double cannot', async () => {
    const { changes } = await diff(
      { 'checks/default/a': numberField(18, 2n ** 53n) },
      { 'checks/default/a': numberField(18, 2n ** 53n + 1n) },
    );
    expect(changes[0]!.fields).toEqual([{ path: 'spec.ttl', before: 2n ** 53n, after: 2n ** 53n + 1n }]);
  });

  it('tells of fields that no dump would show', async () => {
    const { changes } = await diff(
      { 'checks/default/a': bytesField(12, '{"a":1}') },
      { 'checks/default/a': check(bytesField(12, '{"a":2}'), numberField(77, 1n)) },
    );
    expect(changes[0]!.fields.map(({ path }) => path)).toEqual(['stored.77', 'stored.extended_attributes']);
  });

  it('says when a value changed and what it says did not', async () => {
    const [a, b] = [bytesField(1, 'x'), numberField(18, 60n)];
    const { changes } = await diff({ 'checks/default/a': check(a, b) }, { 'checks/default/a': check(b, a) });
    expect(changes).toMatchObject([{ change: 'changed', fields: [], unreadable: false }]);
  });

  it('goes on where a value cannot be decoded', async () => {
    const { changes } = await diff(
      { 'checks/default/a': bytesField(1, 'x') },
      { 'checks/default/a': '{broken' },
    );
    expect(changes).toMatchObject([{ kind: 'CheckConfig', name: 'a', unreadable: true, fields: [] }]);
  });

  it('sets ephemeral keys apart: what has a lease on either side, and what Sensu makes anew', async () => {
    const [left, right] = [
      { 'silenced/default/a': 'x', 'rings/default/x/items/a': '', 'checks/default/c': '' },
      { 'silenced/default/a': 'x', 'checks/default/c': '' },
    ];
    const result = await diffStores(
      context,
      memoryStore(left, { 'silenced/default/a': 5n, 'checks/default/c': 6n }),
      memoryStore(right, { 'checks/default/c': 99n }),
      { limit: 100 },
    );
    expect(result.lasting).toEqual({ added: 0, removed: 0, changed: 0 });
    expect(result.ephemeral).toEqual({ added: 0, removed: 1, changed: 1 });
  });

  it('counts what it does not list', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`checks/default/c${index}`, '']),
    );
    const result = await diff({}, many, 3);
    expect(result).toMatchObject({ lasting: { added: 20 }, notListed: 17 });
    expect(result.changes).toHaveLength(3);
  });
});

describe('a secret is in no difference', () => {
  const secret = 'hunter2-very-secret';
  const text = (result: StoreDiff): string =>
    JSON.stringify(result, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part));

  const label = (number: number, name: string, value: string): Buffer =>
    bytesField(number, Buffer.concat([bytesField(1, name), bytesField(2, value)]));
  const entity = (noted: Buffer, redact: string): Buffer =>
    wrapper('EntityConfig', 'protobuf', Buffer.concat([bytesField(1, noted), bytesField(8, redact)]));
  const provider = (value: string): string =>
    JSON.stringify({
      type: 'Provider',
      api_version: 'authentication/v2',
      metadata: { name: 'ad' },
      spec: { servers: [{ binding: { user_dn: 'x', password: value } }], url: `https://me:${value}@host/` },
    });

  const pairs: readonly [
    what: string,
    key: string,
    left: Buffer | string,
    right: Buffer | string,
    shown: string,
  ][] = [
    ['a password', 'users/a', bytesField(5, secret), bytesField(5, `${secret}2`), 'spec.password_hash'],
    [
      'a label that the entity redacts',
      'entity_configs/d/e',
      entity(label(3, 'pw.x', secret), 'pw.x'),
      entity(label(3, 'pw.x', 'y'), 'pw.x'),
      'metadata.labels.pw.x',
    ],
    [
      'an annotation that sounds like one',
      'entity_configs/d/e',
      entity(label(4, 'my token', secret), 'pw'),
      entity(label(4, 'my token', 'y'), 'pw'),
      'metadata.annotations.my token',
    ],
    [
      'an environment variable',
      'checks/d/c',
      bytesField(24, `A=${secret}`),
      bytesField(24, 'A=y'),
      'spec.env_vars',
    ],
    ['a header', 'assets/d/a', label(9, 'X-Auth', secret), label(9, 'X-Auth', 'y'), 'spec.headers'],
    [
      'a commercial type',
      'api/enterprise/authentication/v2/p/ad',
      provider(secret),
      provider('y'),
      'spec.servers.0.binding.password',
    ],
  ];

  it.each(pairs)('%s', async (_what, key, left, right, path) => {
    const result = await diff({ [key]: left }, { [key]: right });
    expect(result.changes[0]!.fields.map((field) => field.path).join()).toContain(path);
    expect(text(result)).not.toContain(secret);
  });

  it.each([
    'apikeys/83abef1e-e7d7-4beb-91fc-79ad90084d5b',
    'user_sessions/me/83abef1e-e7d7-4beb-91fc-79ad90084d5b',
  ])('nor in a name: %s', async (key) => {
    const result = await diff({ [key]: '' }, { [key]: 'x' });
    expect(text(result)).not.toContain('83abef1e');
  });

  it('nor of the JWT secret more than that it differs', async () => {
    const result = await diff({ 'authentication/secret': secret }, { 'authentication/secret': 'other' });
    expect(result.changes).toMatchObject([
      { kind: undefined, key: '/sensu.io/authentication/secret', fields: [] },
    ]);
  });
});
