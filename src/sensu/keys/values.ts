import { MalformedValueError, readMessage } from '../../protobuf/protobuf.js';

export interface StoredUser {
  readonly username: string;
  readonly groups: readonly string[];
  readonly disabled: boolean;
  /** Whether a hash is stored; the hash itself is never handed out. */
  readonly hasPassword: boolean;
}

export interface StoredApiKey {
  /** The user that requests with this key act as. */
  readonly owner: string;
  /** Seconds since 1970. */
  readonly createdAt: bigint;
}

/** What a resource of the commercial types is, as the wrapper around it says. */
export interface TypeMeta {
  readonly type: string;
  readonly apiVersion: string;
}

/** A value under `/sensu.io/users/`. @throws MalformedValueError */
export function decodeUser(value: Buffer): StoredUser {
  if (isJson(value)) return userFromJson(value);
  const user = { username: '', groups: [] as string[], disabled: false, hasPassword: false };
  const password = (hash: Buffer): void => {
    if (hash.length > 0) user.hasPassword = true;
  };
  readMessage(value, 'a user', {
    1: (reader) => (user.username = reader.string()),
    2: (reader) => {
      password(reader.view());
    },
    3: (reader) => user.groups.push(reader.string()),
    4: (reader) => (user.disabled = reader.bool()),
    5: (reader) => {
      password(reader.view());
    },
  });
  return user;
}

function userFromJson(value: Buffer): StoredUser {
  const user = new JsonFields(value, 'a user');
  const hashes = ['password', 'password_hash'].map((name) => user.read(name, isText));
  return {
    username: user.read('username', isText) ?? '',
    groups: user.read('groups', isTexts) ?? [],
    disabled: user.read('disabled', isBoolean) ?? false,
    hasPassword: hashes.some(Boolean),
  };
}

/** A value under `/sensu.io/apikeys/`. @throws MalformedValueError */
export function decodeApiKey(value: Buffer): StoredApiKey {
  if (isJson(value)) {
    const key = new JsonFields(value, 'an API key');
    return {
      owner: key.read('username', isText) ?? '',
      createdAt: BigInt(key.read('created_at', isInteger) ?? 0),
    };
  }
  const key = { owner: '', createdAt: 0n };
  readMessage(value, 'an API key', {
    2: (reader) => (key.owner = reader.string()),
    3: (reader) => (key.createdAt = reader.int64()),
  });
  return key;
}

/**
 * A value under `/sensu.io/api/enterprise/`: a JSON wrapper, or the wrapper of newer releases.
 * @throws MalformedValueError
 */
export function decodeTypeMeta(value: Buffer): TypeMeta {
  const what = 'a wrapped resource';
  if (isJson(value)) {
    const wrapper = new JsonFields(value, what);
    return { type: wrapper.require('type', isText), apiVersion: wrapper.require('api_version', isText) };
  }
  const meta = { type: '', apiVersion: '' };
  readMessage(value, what, {
    1: (reader) => {
      readMessage(reader.view(), what, {
        1: (inner) => (meta.type = inner.string()),
        2: (inner) => (meta.apiVersion = inner.string()),
      });
    },
  });
  if (meta.type === '') throw new MalformedValueError(`The value of ${what} names no type.`);
  return meta;
}

/**
 * An API key's name is the key itself: whoever reads it can log in with it. This much of it may be shown; of a
 * name too short for that, nothing.
 */
export function apiKeyHint(keyName: string): string {
  return keyName.length < 16 ? '…' : `…${keyName.slice(-4)}`;
}

/** Sensu's own rule to tell its two encodings apart. */
export function isJson(value: Buffer): boolean {
  return value[0] === 0x7b;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);

/**
 * The fields of a value that `isJson`; null counts as none. Without zod: every snapshot would load it, which takes
 * longer than the rest of the start. Errors do not quote the value, as those of JSON.parse do.
 */
class JsonFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #what: string;

  constructor(value: Buffer, what: string) {
    this.#what = what;
    try {
      this.#fields = JSON.parse(value.toString('utf8')) as Record<string, unknown>;
    } catch {
      throw new MalformedValueError(`The value of ${what} is broken JSON.`);
    }
  }

  read<Value>(name: string, fits: (value: unknown) => value is Value): Value | undefined {
    const value = this.#fields[name] ?? undefined;
    if (value === undefined || fits(value)) return value;
    throw this.#malformed();
  }

  require<Value>(name: string, fits: (value: unknown) => value is Value): Value {
    const value = this.read(name, fits);
    if (value === undefined) throw this.#malformed();
    return value;
  }

  #malformed(): MalformedValueError {
    return new MalformedValueError(`The value of ${this.#what} lacks a field or has one of the wrong type.`);
  }
}
