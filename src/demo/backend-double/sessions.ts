import bcrypt from 'bcryptjs';
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Leases } from '../../etcd/facets/leases.js';
import type { Kv } from '../../etcd/facets/kv.js';
import { decodeApiKey, decodeUser } from '../../sensu/keys/values.js';
import type { LeaseId } from '../../store/view.js';
import { singleKey } from '../../store/sensu-root.js';
import { json, unauthorized, type Answer } from './answer.js';

/** Who a request comes from. */
export interface Caller {
  readonly username: string;
  readonly groups: readonly string[];
}

/** What the tokens say: JWTs signed with the secret in the store, so those of another backend on it hold too. */
interface Claims {
  readonly sub: string;
  readonly jti: string;
  /** Seconds since 1970. */
  readonly exp: number;
  /** Of a refresh token: the session that it belongs to. */
  readonly session: string;
}

/** A refresh token of 6.12 lasts long, but its session is forgotten after this. */
const sessionTtl = 360n;
const refreshSeconds = 12 * 3600;
const accessSeconds = 300;

export class Sessions {
  readonly #client: Kv & Leases;

  constructor(client: Kv & Leases) {
    this.#client = client;
  }

  /** Undefined for a request with no credentials, wrong ones, or ones that have ended. */
  async caller(authorization: string): Promise<Caller | undefined> {
    const [scheme, secret = ''] = authorization.split(' ');
    if (scheme === 'Key') return this.#keyOwner(secret);
    if (scheme !== 'Bearer') return undefined;
    const claims = await this.#verify(secret);
    return claims === undefined || claims.exp <= nowSeconds() ? undefined : this.#user(claims.sub);
  }

  /** Whether `Basic` credentials are right. */
  async passwordOwner(authorization: string): Promise<Caller | undefined> {
    const encoded = /^Basic (.+)$/.exec(authorization)?.[1];
    const [username = '', ...password] = Buffer.from(encoded ?? '', 'base64')
      .toString('utf8')
      .split(':');
    const value = await this.#value(`users/${username}`);
    if (value === undefined) return undefined;
    const right = await bcrypt.compare(password.join(':'), storedHash(value));
    return right ? this.#user(username) : undefined;
  }

  async logIn(authorization: string): Promise<Answer> {
    const caller = await this.passwordOwner(authorization);
    if (caller === undefined) return unauthorized;
    const session = randomBytes(16).toString('hex');
    return this.#tokens(caller.username, session);
  }

  /** The access token may have ended; the refresh token must be that of a session that is still known. */
  async refresh(authorization: string, body: string): Promise<Answer> {
    const access = await this.#verify(authorization.replace(/^Bearer /, ''));
    const refresh = await this.#verify(readRefreshToken(body));
    if (access === undefined || refresh?.sub !== access.sub || refresh.exp <= nowSeconds())
      return unauthorized;
    const known = await this.#value(`user_sessions/${refresh.sub}/${refresh.session}`);
    if (known?.toString('utf8') !== refresh.jti) return unauthorized;
    if ((await this.#user(refresh.sub)) === undefined) return unauthorized;
    return this.#tokens(refresh.sub, refresh.session);
  }

  async #tokens(username: string, session: string): Promise<Answer> {
    const expiresAt = nowSeconds() + accessSeconds;
    const access = { sub: username, jti: randomBytes(16).toString('hex'), exp: expiresAt, session };
    const refresh = { ...access, jti: randomBytes(16).toString('hex'), exp: nowSeconds() + refreshSeconds };
    const id = BigInt(`0x${randomBytes(7).toString('hex')}`) as LeaseId;
    await this.#client.grantLease({ id, ttl: sessionTtl });
    const key = Buffer.from(`/sensu.io/user_sessions/${username}/${session}`);
    await this.#client.txn({
      writes: [{ type: 'put', key, value: Buffer.from(refresh.jti), lease: id }],
    });
    const tokens = {
      access_token: await this.#sign(access),
      expires_at: expiresAt,
      refresh_token: await this.#sign(refresh),
    };
    return json(JSON.stringify(tokens));
  }

  async #sign(claims: Claims): Promise<string> {
    const parts = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    );
    return [...parts, await this.#signature(parts.join('.'))].join('.');
  }

  async #verify(token: string): Promise<Claims | undefined> {
    const [header = '', claims = '', signature = ''] = token.split('.');
    const right = Buffer.from(await this.#signature(`${header}.${claims}`));
    const given = Buffer.from(signature);
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    return JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as Claims;
  }

  async #signature(text: string): Promise<string> {
    const secret = (await this.#value('authentication/secret')) ?? Buffer.alloc(32);
    return createHmac('sha256', secret).update(text).digest('base64url');
  }

  async #keyOwner(name: string): Promise<Caller | undefined> {
    const value = /^[\w-]+$/.test(name) ? await this.#value(`apikeys/${name}`) : undefined;
    return value && this.#user(decodeApiKey(value).owner);
  }

  /** A user who is disabled can do nothing. */
  async #user(username: string): Promise<Caller | undefined> {
    const value = username === '' ? undefined : await this.#value(`users/${username}`);
    const user = value && decodeUser(value);
    if (user === undefined || user.disabled) return undefined;
    return { username, groups: [...user.groups, 'system:users'] };
  }

  async #value(key: string): Promise<Buffer | undefined> {
    const { entries } = await this.#client.range(singleKey(Buffer.from(`/sensu.io/${key}`)));
    return entries[0]?.value;
  }
}

const nowSeconds = (): number => Math.floor(Date.now() / 1000);

function readRefreshToken(body: string): string {
  try {
    const { refresh_token: token } = JSON.parse(body) as { refresh_token?: unknown };
    return typeof token === 'string' ? token : '';
  } catch {
    return '';
  }
}

/** The bcrypt hash as it stands in the value: the fields that hold it are text, and nothing else looks like one. */
function storedHash(value: Buffer): string {
  return /\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}/.exec(value.toString('latin1'))?.[0] ?? '';
}
