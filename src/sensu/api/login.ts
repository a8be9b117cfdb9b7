import { z } from 'zod';
import { FerryError } from '../../core/errors.js';
import { faultOf, noApiAt, show, unusable } from './faults.js';
import type { ApiAnswer } from './http.js';
import { parseJson } from './json.js';

/** Who asks. A name and a password are exchanged for tokens that last some minutes. */
export type ApiLogin = { readonly apiKey: string } | { readonly username: string; readonly password: string };

/** Does one request to a path of the API, with this header and nothing else about it. */
export type Ask = (request: {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly authorization: string;
  readonly body?: string;
}) => Promise<ApiAnswer & { readonly url: URL }>;

export interface Authorizer {
  /** The header to ask with. @throws FerryError API_LOGIN_REFUSED (`denied`), or why the API could not be asked */
  header(): Promise<string>;
  /** To be called when the header was refused. True when there is another one, worth one more try. */
  renew(refused: string): Promise<boolean>;
}

export function createAuthorizer(login: ApiLogin, ask: Ask): Authorizer {
  return 'apiKey' in login ? keyAuthorizer(login.apiKey) : new TokenAuthorizer(login, ask);
}

function keyAuthorizer(apiKey: string): Authorizer {
  return { header: () => Promise.resolve(`Key ${apiKey}`), renew: () => Promise.resolve(false) };
}

interface Tokens {
  readonly header: string;
  readonly refresh: string;
  /** By the clock of `performance.now()`: the backend's clock and ours need not agree. */
  readonly renewAt: number;
}

const tokensForm = z.object({
  access_token: z.string().min(1),
  expires_at: z.union([z.number(), z.bigint()]),
  refresh_token: z.string(),
});

/** What Sensu gives up to 6.12; later it can be set. */
const usualLifeSeconds = 300;

class TokenAuthorizer implements Authorizer {
  readonly #login: { readonly username: string; readonly password: string };
  readonly #ask: Ask;
  #tokens: Tokens | undefined;
  /** Requests at the same time share one renewal. */
  #renewing: Promise<Tokens> | undefined;

  constructor(login: { readonly username: string; readonly password: string }, ask: Ask) {
    this.#login = login;
    this.#ask = ask;
  }

  async header(): Promise<string> {
    const tokens = this.#tokens;
    if (tokens !== undefined && performance.now() < tokens.renewAt) return tokens.header;
    return (await this.#renewOnce()).header;
  }

  async renew(refused: string): Promise<boolean> {
    // Someone else's refusal may have led to a new token already.
    if (this.#tokens?.header === refused) await this.#renewOnce();
    return true;
  }

  async #renewOnce(): Promise<Tokens> {
    this.#renewing ??= this.#newTokens().finally(() => {
      this.#renewing = undefined;
    });
    this.#tokens = await this.#renewing;
    return this.#tokens;
  }

  /**
   * A refresh fails once Sensu has forgotten the session, which 6.12 does after six minutes: then only a login
   * helps.
   */
  async #newTokens(): Promise<Tokens> {
    const refreshed = this.#tokens === undefined ? undefined : await this.#refresh(this.#tokens);
    return refreshed ?? (await this.#logIn());
  }

  async #refresh({ header, refresh }: Tokens): Promise<Tokens | undefined> {
    const body = JSON.stringify({ refresh_token: refresh });
    const answer = await this.#ask({
      method: 'POST',
      path: '/auth/token',
      authorization: header,
      body,
    }).catch(() => undefined);
    return answer?.status === 200 ? readTokens(answer) : undefined;
  }

  async #logIn(): Promise<Tokens> {
    const { username, password } = this.#login;
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const answer = await this.#ask({ method: 'GET', path: '/auth', authorization });
    if (answer.status === 401) throw loginRefused(answer.url, username);
    if (answer.status === 404) throw noApiAt(show(answer.url).replace(/\/auth$/, ''));
    if (answer.status !== 200) throw faultOf(answer.url, answer.status, answer.body);
    const tokens = readTokens(answer);
    if (tokens === undefined) throw unusable(answer.url, 'has not the form that Sensu gives it');
    return tokens;
  }
}

function readTokens({ body, headers }: ApiAnswer): Tokens | undefined {
  const parsed = tokensForm.safeParse(parseJson(body));
  if (!parsed.success) return undefined;
  const { access_token: access, refresh_token: refresh, expires_at: expiresAt } = parsed.data;
  const lifeMs = lifeSeconds(Number(expiresAt), headers.date) * 1000;
  // With a fifth of its life left, a token still outlives the request that it is used for.
  return { header: `Bearer ${access}`, refresh, renewAt: performance.now() + lifeMs * 0.8 };
}

/** Both ends by the backend's own clock. */
function lifeSeconds(expiresAt: number, date: string | undefined): number {
  const issuedAt = Date.parse(date ?? '') / 1000;
  const life = expiresAt - issuedAt;
  return life > 0 && life <= 86_400 ? life : usualLifeSeconds;
}

function loginRefused(url: URL, username: string): FerryError {
  return new FerryError({
    kind: 'denied',
    code: 'API_LOGIN_REFUSED',
    message: `${show(url)} refused the password of the user ${JSON.stringify(username)} (HTTP status 401).`,
    hint: 'Check the name and the password, and that the user is enabled.',
  });
}
