import { describe, expect, it } from 'vitest';
import { classifyKey } from '../../../src/sensu/keys/key-space.js';
import { MalformedValueError } from '../../../src/protobuf/protobuf.js';
import { asApiShows, withSecrets } from '../../../src/sensu/resources/secrets.js';
import {
  joinEntity,
  toApiResource,
  type StoredResource,
} from '../../../src/sensu/resources/to-api-resource.js';
import { bytesField, doubleField, numberField, wrapper } from './wire.js';

function decode(key: string, value: Buffer | string): StoredResource {
  return toApiResource(classifyKey(Buffer.from(`/sensu.io/${key}`)), Buffer.from(value as string))!;
}

const check = (...fields: Buffer[]): StoredResource => decode('checks/default/c', Buffer.concat(fields));

describe('a value in protobuf', () => {
  it('keeps numbers of 64 bits exact, negative ones too', () => {
    expect(check(numberField(18, 2n ** 63n - 1n)).resource.spec).toMatchObject({ ttl: 2n ** 63n - 1n });
    expect(check(numberField(18, -1n)).resource.spec).toMatchObject({ ttl: -1n });
  });

  it('keeps what a newer Sensu has added, and says where', () => {
    const reference = Buffer.concat([bytesField(1, 'p'), bytesField(9, 'new')]);
    const { resource, unknown } = check(
      bytesField(35, 'x'),
      numberField(36, 300n),
      bytesField(32, reference),
    );
    expect(unknown).toEqual([
      { path: '35', value: Buffer.from('\x01x').toString('base64') },
      { path: '36', value: Buffer.from([0xac, 0x02]).toString('base64') },
      { path: 'pipelines.9', value: Buffer.from('\x03new').toString('base64') },
    ]);
    // As the API fills in what a reference leaves out.
    expect(resource.spec['pipelines']).toEqual([{ api_version: 'core/v2', name: 'p', type: 'Pipeline' }]);
  });

  it('tells of fields that the API never shows', () => {
    const { hidden, resource } = check(bytesField(12, '{"team":"a"}'), bytesField(31, 'memory'));
    expect(hidden).toEqual([
      { path: 'extended_attributes', value: '{"team":"a"}' },
      { path: 'scheduler', value: 'memory' },
    ]);
    expect(resource.spec).not.toHaveProperty('scheduler');
  });

  it('adds up a message that comes in two parts, and takes the last of two values', () => {
    const meta = (name: string): Buffer => bytesField(26, bytesField(1, name));
    const labels = bytesField(26, bytesField(3, Buffer.concat([bytesField(1, 'a'), bytesField(2, 'b')])));
    expect(check(meta('old'), labels, meta('new')).resource.metadata).toEqual({
      name: 'new',
      labels: { a: 'b' },
    });
  });

  it('may have a label of any name', () => {
    const label = (name: string): Buffer =>
      bytesField(3, Buffer.concat([bytesField(1, name), bytesField(2, 'v')]));
    const meta = bytesField(
      26,
      Buffer.concat([label('__proto__'), label('10'), label('9'), label('constructor')]),
    );
    const labels = check(meta).resource.metadata['labels']!;
    expect(Object.keys(labels).sort()).toEqual(['10', '9', '__proto__', 'constructor']);
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
  });

  it('is refused when a number has no form in JSON, as Sensu refuses it', () => {
    expect(() => decode('events/default/e/c', bytesField(3, doubleField(22, NaN)))).toThrow(
      MalformedValueError,
    );
  });

  it.each([
    ['a field of the wrong type', bytesField(18, 'x')],
    ['a text that runs past its end', Buffer.of(0x0a, 9, 1)],
    ['a nested message that runs past its own end', bytesField(26, Buffer.of(0x0a, 9, 1))],
  ])('is refused when it has %s', (_what, value) => {
    expect(() => check(value)).toThrow(MalformedValueError);
  });
});

describe('a value in JSON', () => {
  it('becomes what the same in protobuf becomes', () => {
    const json = {
      command: 'x',
      ttl: 60,
      check_hooks: [{ critical: ['ps'] }],
      metadata: { name: 'c', labels: { a: 'b' } },
      subdue: { days: { all: [{ begin: '1', end: '2' }] } },
    };
    const pair = Buffer.concat([bytesField(1, 'a'), bytesField(2, 'b')]);
    const window = Buffer.concat([bytesField(1, '1'), bytesField(2, '2')]);
    const protobuf = check(
      bytesField(1, 'x'),
      numberField(18, 60n),
      bytesField(14, Buffer.concat([bytesField(1, 'ps'), bytesField(2, 'critical')])),
      bytesField(26, Buffer.concat([bytesField(1, 'c'), bytesField(3, pair)])),
      bytesField(16, bytesField(1, bytesField(1, window))),
    );
    expect(decode('checks/default/c', JSON.stringify(json))).toEqual(protobuf);
  });

  it('is not rounded', () => {
    expect(decode('checks/default/c', '{"ttl": 9007199254740993}').resource.spec).toMatchObject({
      ttl: 9007199254740993n,
    });
  });

  it('keeps fields that are not known', () => {
    expect(decode('checks/default/c', '{"x":1,"metadata":{"y":[9007199254740993]}}').unknown).toEqual([
      { path: 'x', value: '1' },
      { path: 'metadata.y', value: '[9007199254740993]' },
    ]);
  });

  it('may be a wrapper of a type that only its own Sensu knows', () => {
    const value =
      '{"type":"LicenseFile","api_version":"licensing/v2","metadata":{},"spec":{"n":9007199254740993}}';
    expect(decode('api/enterprise/licensing/v2/license', value).resource).toEqual({
      type: 'LicenseFile',
      apiVersion: 'licensing/v2',
      metadata: {},
      spec: { n: 9007199254740993n },
    });
  });

  it.each([
    '{',
    '{"ttl":"x"}',
    '{"ttl":1.5}',
    '{"metadata":{"labels":{"a":1}}}',
    '{"handlers":"x"}',
    '{"a":\xff}',
  ])('is refused when it is %j, without being quoted', (value) => {
    expect(() => decode('checks/default/c', Buffer.from(value, 'latin1'))).toThrow(MalformedValueError);
  });
});

describe('an entity', () => {
  const meta = (name: string, labels: Buffer = Buffer.alloc(0)): Buffer =>
    bytesField(1, Buffer.concat([bytesField(1, name), bytesField(2, 'default'), labels]));
  const pair = (name: string, value: string): Buffer =>
    bytesField(3, Buffer.concat([bytesField(1, name), bytesField(2, value)]));
  const configOf = (...fields: Buffer[]): StoredResource =>
    decode('entity_configs/default/e', wrapper('EntityConfig', 'protobuf', Buffer.concat(fields)));
  const redacts = ['pw', 'token'].map((name) => bytesField(8, name));

  it('is joined from its halves', () => {
    const state = decode(
      'entity_states/default/e',
      wrapper('EntityState', 'json', Buffer.from('{"last_seen":5}')),
    );
    const { resource } = joinEntity(configOf(meta('e'), bytesField(2, 'agent')), state);
    expect(resource).toMatchObject({ type: 'Entity', apiVersion: 'core/v2', metadata: { name: 'e' } });
    expect(resource.spec).toMatchObject({ entity_class: 'agent', last_seen: 5n });
    expect(Object.keys(resource.spec)).toEqual(Object.keys(resource.spec).sort());
  });

  it('that was never seen has an empty state', () => {
    expect(joinEntity(configOf(meta('e'))).resource.spec).toMatchObject({
      last_seen: 0n,
      sensu_agent_version: '',
    });
  });

  it('hides what it lists as secret, and else what Sensu holds to be', () => {
    const labels = Buffer.concat([pair('pw', '1'), pair('password', '2'), pair('site', 'x')]);
    const shown = (config: StoredResource): unknown =>
      asApiShows(joinEntity(config).resource).metadata['labels'];
    expect(shown(configOf(meta('e', labels), ...redacts))).toEqual({
      pw: 'REDACTED',
      password: '2',
      site: 'x',
    });
    expect(shown(configOf(meta('e', labels)))).toEqual({ pw: '1', password: 'REDACTED', site: 'x' });
  });
});

describe('a user', () => {
  it.each([
    ['both fields', [bytesField(2, '$2a$x'), bytesField(5, '$2a$x')]],
    ['the old field', [bytesField(2, '$2a$x')]],
  ])('has its hash from %s only with the secrets', (_where, fields) => {
    const { resource } = decode('users/zoe', Buffer.concat([bytesField(1, 'zoe'), ...fields]));
    expect(withSecrets(resource).spec).toEqual({ disabled: false, password_hash: '$2a$x', username: 'zoe' });
    expect(asApiShows(resource).spec).toEqual({ disabled: false, username: 'zoe' });
    expect(resource.metadata).toEqual({ name: 'zoe' });
  });
});

it('is no resource what lies under keys of another kind', () => {
  expect(toApiResource(classifyKey(Buffer.from('/sensu.io/cluster_id')), Buffer.from('x'))).toBeUndefined();
  expect(toApiResource(classifyKey(Buffer.from('/elsewhere')), Buffer.from('x'))).toBeUndefined();
});
