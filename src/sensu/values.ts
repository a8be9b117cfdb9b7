import { z } from 'zod';
import { MalformedValueError, readMessage } from './protobuf.js';

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

const text = z.string().nullish();

const userForm = z.object({
  username: text,
  password: text,
  password_hash: text,
  groups: z.array(z.string()).nullish(),
  disabled: z.boolean().nullish(),
});

const apiKeyForm = z.object({ username: text, created_at: z.number().int().nullish() });

const typeMetaForm = z.object({ type: z.string(), api_version: z.string() });

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
  const user = parseJson(value, 'a user', userForm);
  return {
    username: user.username ?? '',
    groups: user.groups ?? [],
    disabled: user.disabled ?? false,
    hasPassword: Boolean(user.password) || Boolean(user.password_hash),
  };
}

/** A value under `/sensu.io/apikeys/`. @throws MalformedValueError */
export function decodeApiKey(value: Buffer): StoredApiKey {
  if (isJson(value)) {
    const key = parseJson(value, 'an API key', apiKeyForm);
    return { owner: key.username ?? '', createdAt: BigInt(key.created_at ?? 0) };
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
    const { type, api_version: apiVersion } = parseJson(value, what, typeMetaForm);
    return { type, apiVersion };
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

/** Errors of JSON.parse and zod quote the value, so they are not passed on. */
function parseJson<Shape>(value: Buffer, what: string, form: z.ZodType<Shape>): Shape {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString('utf8'));
  } catch {
    throw new MalformedValueError(`The value of ${what} is broken JSON.`);
  }
  const result = form.safeParse(parsed);
  if (result.success) return result.data;
  throw new MalformedValueError(`The value of ${what} lacks a field or has one of the wrong type.`);
}
