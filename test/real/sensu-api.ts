import { setTimeout as sleep } from 'node:timers/promises';

export const administrator = { username: 'admin', password: 'P@ssw0rd!' };

/** One event, as far as the suite looks at it. */
export interface SeenEvent {
  readonly timestamp: number;
  readonly check: {
    readonly status: number;
    readonly executed: number;
    readonly output: string;
    readonly state: string;
    readonly history?: readonly { readonly executed: number; readonly status: number }[];
  };
}

export interface ApiAnswer {
  /** 0: no answer came. */
  readonly status: number;
  readonly body: string;
}

/** A backend's API, asked with an API key. No call throws for a status or a lost connection. */
export class SensuApi {
  readonly url: string;
  readonly key: string;

  constructor(url: string, key: string) {
    this.url = url;
    this.key = key;
  }

  get(path: string): Promise<ApiAnswer> {
    return ask(`${this.url}${path}`, { headers: this.#headers() });
  }

  send(method: 'PUT' | 'POST' | 'DELETE', path: string, body?: object): Promise<ApiAnswer> {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    return ask(`${this.url}${path}`, { method, headers: this.#headers(), ...json });
  }

  async event(entity: string, check: string): Promise<SeenEvent | undefined> {
    const { status, body } = await this.get(`/api/core/v2/namespaces/default/events/${entity}/${check}`);
    return status === 200 ? (JSON.parse(body) as SeenEvent) : undefined;
  }

  #headers(): Record<string, string> {
    return { authorization: `Key ${this.key}`, 'content-type': 'application/json' };
  }
}

/** Logs in as the administrator and makes an API key. */
export async function makeApiKey(url: string): Promise<SensuApi> {
  const { username, password } = administrator;
  const basic = Buffer.from(`${username}:${password}`).toString('base64');
  const login = await ask(`${url}/auth`, { headers: { authorization: `Basic ${basic}` } });
  if (login.status !== 200) throw new Error(`Logging in at ${url} was answered ${login.status}.`);
  const { access_token } = JSON.parse(login.body) as { access_token: string };
  const made = await fetch(`${url}/api/core/v2/apikeys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username }),
    signal: AbortSignal.timeout(10_000),
  });
  const key = made.headers.get('location')?.split('/').at(-1);
  if (key === undefined) throw new Error(`${url} gave no API key: ${made.status}.`);
  return new SensuApi(url, key);
}

export async function answers(url: string): Promise<boolean> {
  return (await ask(`${url}/version`, {})).status === 200;
}

/** A key that was made a moment ago works when the backend's cache has it. */
export async function untilKeyWorks(api: SensuApi): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if ((await api.get('/api/core/v2/namespaces')).status === 200) return;
    await sleep(100);
  }
  throw new Error(`The API key that ${api.url} gave does not work.`);
}

async function ask(url: string, request: RequestInit): Promise<ApiAnswer> {
  try {
    const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(10_000) });
    return { status: answer.status, body: await answer.text() };
  } catch {
    return { status: 0, body: '' };
  }
}
