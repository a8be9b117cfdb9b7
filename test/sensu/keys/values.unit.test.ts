import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { openSnapshot } from '../../../src/etcd-files/mvcc/store-file.js';
import { MalformedValueError, readMessage } from '../../../src/protobuf/protobuf.js';
import {
  apiKeyHint,
  decodeApiKey,
  decodeTypeMeta,
  decodeUser,
  type StoredUser,
} from '../../../src/sensu/keys/values.js';
import { prefixRange } from '../../../src/store/sensu-root.js';
import { runs } from '../../support/runs.js';

function fixture(path: string): URL {
  return new URL(`../../../fixtures/${path}`, import.meta.url);
}

/** The values below a prefix, by what follows it. */
function valuesOf(store: string, prefix: string): Map<string, Buffer> {
  const file = openSnapshot(fixture(`${store}/snapshot.db`).pathname);
  try {
    const batches = [...file.entries(prefixRange(Buffer.from(prefix)))];
    return new Map(batches.flat().map(({ key, value }) => [key.toString().slice(prefix.length), value]));
  } finally {
    file.close();
  }
}

/** The body of a recorded answer of the API. */
function answer(name: string): unknown {
  const text = readFileSync(fixture(`cluster3-6.12.0/http/${name}.txt`), 'utf8').replaceAll('\r\n', '\n');
  return JSON.parse(text.slice(text.indexOf('\n\n')));
}

type ShownUser = Pick<StoredUser, 'username' | 'disabled'> & { readonly groups?: readonly string[] };

describe('the values of a real store', () => {
  it('are the users that its API shows', () => {
    const users = [...valuesOf('cluster3-6.12.0', '/sensu.io/users/').values()].map(decodeUser);
    const shown = (answer('users') as ShownUser[]).map((user) => ({
      groups: [],
      ...user,
      hasPassword: true,
    }));
    expect(users).toEqual(shown);
    expect(users.map(({ username }) => username)).toEqual(['admin', 'agent', 'alice', 'bob', 'carol']);
  });

  it('are the API keys that its API shows', () => {
    const keys = valuesOf('cluster3-6.12.0', '/sensu.io/apikeys/');
    const shown = answer('apikeys') as { metadata: { name: string }; username: string; created_at: number }[];
    expect([...keys].map(([name, value]) => ({ name, ...decodeApiKey(value) }))).toEqual(
      shown.map((key) => ({
        name: key.metadata.name,
        owner: key.username,
        createdAt: BigInt(key.created_at),
      })),
    );
  });

  it('are the users and keys of the dump of the same store', () => {
    const users = [...valuesOf('kitchen-sink-6.12.0', '/sensu.io/users/').values()].map(decodeUser);
    const keys = [...valuesOf('kitchen-sink-6.12.0', '/sensu.io/apikeys/').values()].map(decodeApiKey);
    const documents = readFileSync(fixture('kitchen-sink-6.12.0/dump.yml'), 'utf8').split(/^---$/m);
    const dumped = documents.map((document) => parse(document) as { type: string; spec: unknown });
    const specs = (type: string): unknown[] =>
      dumped.filter((one) => one.type === type).map(({ spec }) => spec);
    expect(users).toEqual(
      specs('User').map((spec) => ({ groups: [], ...(spec as object), hasPassword: true })),
    );
    expect(keys.map(({ owner, createdAt }) => ({ username: owner, created_at: Number(createdAt) }))).toEqual(
      specs('APIKey'),
    );
  });

  it('include wrapped ones whose type can be told', () => {
    const values = valuesOf('cluster3-6.12.0', '/sensu.io/entity_configs/');
    expect(decodeTypeMeta([...values.values()][0]!)).toEqual({ type: 'EntityConfig', apiVersion: 'core/v3' });
  });
});

const field = (number: number, bytes: string): Buffer =>
  Buffer.concat([Buffer.of((number << 3) | 2, Buffer.byteLength(bytes)), Buffer.from(bytes)]);

describe('a value in protobuf', () => {
  it('may have fields that came later, of every wire type', () => {
    const later = Buffer.from([
      ...[0x78, 0x96, 0x01], // 15, varint
      ...[0x79, 1, 2, 3, 4, 5, 6, 7, 8], // 15, 64 bits
      ...[0x7d, 1, 2, 3, 4], // 15, 32 bits
      ...[0x7a, 1, 0xff], // 15, bytes
    ]);
    const user = Buffer.concat([later, field(1, 'zoë'), later, field(3, 'ops'), Buffer.of(0x20, 1), later]);
    expect(decodeUser(user)).toEqual({
      username: 'zoë',
      groups: ['ops'],
      disabled: true,
      hasPassword: false,
    });
  });

  it.each([2, 5])('has a password when its hash is in field %i', (number) => {
    expect(decodeUser(Buffer.concat([field(1, 'a'), field(number, '$2a$10$x')])).hasPassword).toBe(true);
    expect(decodeUser(Buffer.concat([field(1, 'a'), field(number, '')])).hasPassword).toBe(false);
  });

  it('keeps numbers of 64 bits exact', () => {
    const value = Buffer.from([0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    expect(decodeApiKey(value).createdAt).toBe(2n ** 63n - 1n);
  });

  it.each([
    ['a length beyond the end', [0x0a, 0x05, 0x61]],
    ['a length of 4 GiB', [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a number without an end', [0x20, 0xff]],
    ['a number of 11 bytes', [0x20, ...Array<number>(10).fill(0x80), 0x01]],
    ['a group, which proto3 has not', [0x0b]],
    ['a field numbered 0', [0x02, 0x00]],
    ['a name that is a number', [0x08, 0x01]],
    ['64 bits cut short', [0x79, 1, 2]],
  ])('is refused with %s', (_name, bytes) => {
    expect(() => decodeUser(Buffer.from(bytes))).toThrow(MalformedValueError);
  });
});

describe('a value in JSON', () => {
  it('is read by the same rule as Sensu reads it', () => {
    const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
    expect(decodeUser(json({ username: 'old', password: 'x', groups: null }))).toEqual({
      username: 'old',
      groups: [],
      disabled: false,
      hasPassword: true,
    });
    expect(decodeApiKey(json({ username: 'old', created_at: 7 }))).toEqual({ owner: 'old', createdAt: 7n });
    const license = { type: 'LicenseFile', api_version: 'licensing/v2', metadata: {}, spec: { license: {} } };
    expect(decodeTypeMeta(json(license))).toEqual({ type: 'LicenseFile', apiVersion: 'licensing/v2' });
  });

  /** The trap: V8's message for broken JSON quotes the text around the fault. */
  it('is never quoted in an error', () => {
    for (const broken of ['{"password":"hunter2",}', '{"username":7,"password":"hunter2"}']) {
      const error = caught(() => decodeUser(Buffer.from(broken)));
      expect(error).toBeInstanceOf(MalformedValueError);
      expect(JSON.stringify([String(error), (error as Error).cause ?? ''])).not.toContain('hunter2');
    }
  });
});

function caught(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

describe('values of any bytes', () => {
  const real = [
    ...valuesOf('cluster3-6.12.0', '/sensu.io/users/').values(),
    ...valuesOf('cluster3-6.12.0', '/sensu.io/apikeys/').values(),
    [...valuesOf('cluster3-6.12.0', '/sensu.io/entity_configs/').values()][0]!,
  ];
  const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  const damaged = fc
    .tuple(fc.constantFrom(...real), fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat())
    .map(([value, at, byte, end]) => {
      const bytes = Buffer.from(value.subarray(0, 1 + (end % value.length)));
      bytes[at % bytes.length] = byte;
      return bytes;
    });

  it.each([
    ['decodeUser', decodeUser],
    ['decodeApiKey', decodeApiKey],
    ['decodeTypeMeta', decodeTypeMeta],
  ])('%s decodes or throws its one error', (_name, decode) => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyBytes,
          damaged,
          fc.json().map((json) => Buffer.from(json)),
        ),
        (bytes) => {
          const result = caught(() => decode(bytes));
          return !(result instanceof Error) || result instanceof MalformedValueError;
        },
      ),
      { numRuns: runs(3000) },
    );
  });

  it('are read to their end or not at all', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const result = caught(() => {
          readMessage(bytes, 'it', {});
        });
        return result === undefined || result instanceof MalformedValueError;
      }),
    );
  });
});

describe('the hint of an API key', () => {
  it('shows four characters of a name that is long enough to lose them', () => {
    expect(apiKeyHint('24484dcc-ee3e-4f43-a347-a4aec7cd1523')).toBe('…1523');
    expect(apiKeyHint('s3cret')).toBe('…');
  });
});
