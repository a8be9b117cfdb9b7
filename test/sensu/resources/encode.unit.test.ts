import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtoReader } from '../../../src/protobuf/proto-reader.js';
import { classifyKey } from '../../../src/sensu/keys/key-space.js';
import { snappyLiteral, unsnappy } from '../../../src/protobuf/snappy.js';
import type { ApiObject, ApiResource } from '../../../src/sensu/resources/api-value.js';
import { encodeResource } from '../../../src/sensu/resources/encode-resource.js';
import { encodeMessage } from '../../../src/sensu/resources/encode.js';
import { FieldError } from '../../../src/sensu/resources/field-error.js';
import { FieldReader } from '../../../src/sensu/resources/fields.js';
import { entityConfigs, entityStates, resourceKinds } from '../../../src/sensu/resources/kinds.js';
import {
  messageNamed,
  messageNames,
  type Message,
  type MessageName,
} from '../../../src/sensu/resources/messages.js';
import { JsonShaper } from '../../../src/sensu/resources/to-json.js';
import { joinEntity, messageOfGroup, toApiResource } from '../../../src/sensu/resources/to-api-resource.js';
import { readerOf, unwrap } from '../../../src/sensu/resources/wrapper.js';
import { apiObjects } from './api-objects.js';
import { stores, valuesOf, type Recorded } from './recorded.js';
import { runs } from '../../support/runs.js';

const resourcesOf = (store: string) =>
  valuesOf(store).flatMap(({ key, value }) => {
    const stored = toApiResource(key, value);
    return stored === undefined ? [] : [{ key, value, stored }];
  });

describe.each(stores)('every resource of %s', (store) => {
  test('is stored again under the same key', () => {
    const text = (value: Recorded): string =>
      value.key.group === '/sensu.io/namespaces/'
        ? value.key.group + value.key.name!
        : value.key.group + [value.key.namespace, value.key.name].filter(Boolean).join('/');
    for (const recorded of resourcesOf(store)) {
      const [pair] = encodeResource(recorded.stored.resource)!;
      expect(pair!.key.toString()).toBe(text(recorded));
    }
  });

  // Two things differ, and neither can be known: Go writes a map in an order of its own each time, and compresses.
  test('is stored again as the same bytes, but for the order in maps and the compression', () => {
    let count = 0;
    for (const { key, value, stored } of resourcesOf(store)) {
      const [pair] = encodeResource(stored.resource)!;
      const [message, ...bytes] = [
        messageAt(key.group),
        plainBytes(key.group, pair!.value),
        plainBytes(key.group, value),
      ];
      const [written, recorded] = bytes.map((one) => sortMaps(messageNamed(message), one).toString('hex'));
      expect(written, stored.resource.type).toBe(recorded);
      count += 1;
    }
    expect(count).toBeGreaterThan(40);
  });

  test('has both halves of an entity in it', () => {
    const all = resourcesOf(store);
    const halves = (group: string) => all.filter(({ key }) => key.group === group);
    for (const config of halves(entityConfigs)) {
      const state = halves(entityStates).find(
        ({ key }) => key.name === config.key.name && key.namespace === config.key.namespace,
      )!;
      const pairs = encodeResource(joinEntity(config.stored, state.stored).resource)!;
      const decoded = pairs.map(({ key, value }) => toApiResource(classifyKey(key), value)!.resource);
      expect(decoded).toEqual([
        config.stored.resource,
        { ...state.stored.resource, metadata: config.stored.resource.metadata },
      ]);
    }
  });
});

function messageAt(group: string): MessageName {
  if (group === entityConfigs) return 'EntityConfig';
  return group === entityStates ? 'EntityState' : messageOfGroup(group)!;
}

function plainBytes(group: string, value: Buffer): Buffer {
  return group === entityConfigs || group === entityStates ? unwrap(value).bytes : value;
}

/** The same message with the pairs of each map in the order of their bytes. */
function sortMaps(message: Message, bytes: Buffer): Buffer {
  const reader = new ProtoReader((fault) => new Error(fault), bytes);
  const parts: { number: number; bytes: Buffer }[] = [];
  let start = 0;
  for (let number = reader.field(); number !== 0; number = reader.field()) {
    const field = message.byNumber[number];
    if (field?.kind !== 'message') reader.skip();
    else {
      const inner = sortMaps(messageNamed(field.message!), reader.view());
      inner.copy(bytes, reader.pos - inner.length);
    }
    parts.push({ number, bytes: bytes.subarray(start, reader.pos) });
    start = reader.pos;
  }
  const isMap = (number: number): boolean => message.byNumber[number]?.kind === 'map';
  // The sort is stable, and leaves alone what is no map.
  parts.sort((a, b) => (a.number === b.number && isMap(a.number) ? Buffer.compare(a.bytes, b.bytes) : 0));
  return Buffer.concat(parts.map((part) => part.bytes));
}

const decoded = (name: MessageName, bytes: Buffer): ApiObject => {
  const message = messageNamed(name);
  return new JsonShaper().shape(message, new FieldReader().read(readerOf(bytes), message, []));
};

const shownNames = messageNames.filter((name) => name !== 'Wrapper' && name !== 'StringPair');

describe('encoding', () => {
  test.each(shownNames)('a %s and decoding it gives the same, whatever is in it', (name) => {
    fc.assert(
      fc.property(apiObjects(name), (object) => {
        expect(decoded(name, encodeMessage(messageNamed(name), object, ''))).toEqual(object);
      }),
      { numRuns: runs(60) },
    );
  });

  test.each(resourceKinds.map(({ type }) => type))(
    'a %s names a field of the wrong type, and never its value',
    (type) => {
      const message = messageNamed(type as MessageName);
      for (const { name, kind, shown } of message.fields) {
        if (shown === 'inlined' || name === 'metadata') continue;
        const wrong = kind === 'message' || kind === 'map' || kind === 'string' ? 4711 : ['s3cret'];
        const error = faultOf(() => encodeMessage(message, { [name]: wrong }, ''));
        expect(error.path).toBe(name);
        expect(error.message).not.toMatch(/4711|s3cret/);
      }
    },
  );

  const check = (spec: ApiObject, metadata: ApiObject = {}): ApiResource => ({
    type: 'CheckConfig',
    apiVersion: 'core/v2',
    metadata: { name: 'disk', namespace: 'default', ...metadata },
    spec,
  });

  test.each([
    [check({ interval: -1 }), 'spec.interval is not between 0 and 4294967295'],
    [check({ interval: 1.5 }), 'spec.interval is a number, where Sensu has a whole number'],
    [check({ ttl: 2n ** 63n }), 'spec.ttl is not between'],
    [check({ interva: 1 }), 'spec.interva is no field that Sensu has there'],
    [
      check({ handlers: ['a', 1] }),
      'spec.handlers[1] is a number, where Sensu has a text (put it in quotes)',
    ],
    [
      check({ output_metric_thresholds: [{ thresholds: [{ status: 'x' }] }] }),
      'spec.output_metric_thresholds[0].thresholds[0].status is a text',
    ],
    [check({ check_hooks: [{ ok: ['a'], critical: ['b'] }] }), 'spec.check_hooks[0] has more than one type'],
    [check({}, { labels: { a: true } }), 'metadata.labels.a is true or false'],
    [check({}, { labels: ['a'] }), 'metadata.labels is a list, where Sensu has a map'],
    [check({}, { name: 'a/b' }), 'metadata.name holds a slash'],
    [check({}, { namespace: '' }), 'metadata.namespace is missing'],
    [check({ command: '\ud800' }), 'spec.command holds half of a character'],
    [{ ...check({ username: 'a', password: 'clear' }), type: 'User' }, 'password is not a hash of bcrypt'],
  ])('says what is wrong: %#', (resource, message) => {
    expect(faultOf(() => encodeResource(resource)).message).toContain(message);
  });

  test('a user has the hash in both fields, as both old and new releases of Sensu look for it', () => {
    const hash = '$2a$10$1234567890123456789012uabcdefghijklmnopqrstuvwxyz01234';
    const [pair] = encodeResource({
      type: 'User',
      apiVersion: 'core/v2',
      metadata: { name: 'erin' },
      spec: { username: 'erin', password_hash: hash, groups: ['ops'] },
    })!;
    expect(pair!.key.toString()).toBe('/sensu.io/users/erin');
    expect(decoded('User', pair!.value)).toMatchObject({ password: hash, password_hash: hash });
  });

  test('what is not known is not made up', () => {
    expect(
      encodeResource({ type: 'Secret', apiVersion: 'secrets/v1', metadata: {}, spec: {} }),
    ).toBeUndefined();
  });
});

test('a snappy block of one literal is read back, whatever its length', () => {
  for (const length of [0, 1, 59, 60, 61, 127, 128, 255, 256, 16_384, 65_536, 3_000_000]) {
    const bytes = Buffer.alloc(length, 'x');
    expect(unsnappy(snappyLiteral(bytes), 'a test').equals(bytes)).toBe(true);
  }
});

function faultOf(work: () => unknown): FieldError {
  try {
    work();
  } catch (error) {
    if (error instanceof FieldError) return error;
    throw error;
  }
  throw new Error('It was encoded.');
}
