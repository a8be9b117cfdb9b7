import { describe, expect, it, onTestFinished } from 'vitest';
import { createAuthority } from '../../../src/etcd/throwaway/certificates.js';
import { connectApi, type ApiConnectionOptions } from '../../../src/sensu/api/connection.js';
import {
  recordedAnswer,
  startRecordedApi,
  type Asked,
  type RecordedApi,
  type Reply,
} from '../../support/recorded-api.js';
import { failureOf } from '../../support/ferry-error.js';

const apiKey = '24484dcc-ee3e-4f43-a347-a4aec7cd1523';
const password = 'AlicePass1';
const basic = `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`;
const secrets = [apiKey, password, basic, 'access-', 'refresh-'];
const path = '/api/core/v2/namespaces';

async function serve(reply: (asked: Asked) => Reply | undefined): Promise<RecordedApi> {
  const server = await startRecordedApi(reply);
  onTestFinished(() => server.stop());
  return server;
}

function connect(url: string, more: Partial<ApiConnectionOptions> = {}): ReturnType<typeof connectApi> {
  return connectApi({ url, login: { apiKey }, waitsMs: [1, 1], ...more });
}

const alice = { login: { username: 'alice', password } };

/** A backend that gives out tokens, of which it takes only the newest, and a refresh only as long as it is told. */
function tokens(life: { seconds: number; refreshes: boolean }): (asked: Asked) => Reply {
  let count = 0;
  const give = (): Reply => {
    count += 1;
    const now = Math.floor(Date.now() / 1000);
    const body = JSON.stringify({
      access_token: `access-${count}`,
      expires_at: now + life.seconds,
      refresh_token: `refresh-${count}`,
    });
    return { headers: { date: new Date(now * 1000).toUTCString() }, body };
  };
  return ({ method, path: asked, authorization, body }) => {
    if (asked === '/auth') return authorization === basic ? give() : recordedAnswer('auth_wrong');
    if (asked === '/auth/token' && method === 'POST') {
      const right =
        authorization === `Bearer access-${count}` && body === `{"refresh_token":"refresh-${count}"}`;
      return right && life.refreshes ? give() : recordedAnswer('unauthorized');
    }
    return authorization === `Bearer access-${count}`
      ? recordedAnswer('namespaces')
      : recordedAnswer('unauthorized');
  };
}

describe('a login', () => {
  it('by API key asks with it', async () => {
    const server = await serve(() => recordedAnswer('namespaces'));
    await connect(server.url).request('GET', path);
    expect(server.asked).toMatchObject([{ method: 'GET', path, authorization: `Key ${apiKey}` }]);
  });

  it('by password takes a token once', async () => {
    const server = await serve(tokens({ seconds: 300, refreshes: true }));
    const api = connect(server.url, alice);
    for (let i = 0; i < 3; i += 1) await api.request('GET', path);
    expect(server.asked.map((asked) => asked.path)).toEqual(['/auth', path, path, path]);
  });

  it('takes one token for requests at the same time', async () => {
    const server = await serve(tokens({ seconds: 300, refreshes: true }));
    const api = connect(server.url, alice);
    await Promise.all(Array.from({ length: 5 }, () => api.request('GET', path)));
    expect(server.asked.filter((asked) => asked.path === '/auth')).toHaveLength(1);
  });

  /** The trap: a dump of a large store takes longer than the five minutes that a token lasts. */
  it('renews a token before it ends', async () => {
    const server = await serve(tokens({ seconds: 1, refreshes: true }));
    const api = connect(server.url, alice);
    await api.request('GET', path);
    await new Promise((resolve) => setTimeout(resolve, 900));
    await api.request('GET', path);
    expect(server.asked.map((asked) => asked.path)).toEqual(['/auth', path, '/auth/token', path]);
  });

  /** The trap: Sensu 6.12 forgets a session after six minutes, and then a refresh fails. */
  it('logs in anew when a refresh is refused', async () => {
    const server = await serve(tokens({ seconds: 1, refreshes: false }));
    const api = connect(server.url, alice);
    await api.request('GET', path);
    await new Promise((resolve) => setTimeout(resolve, 900));
    await api.request('GET', path);
    expect(server.asked.map((asked) => asked.path)).toEqual(['/auth', path, '/auth/token', '/auth', path]);
  });

  it('takes another token when the one it has is refused before its time', async () => {
    const backend = tokens({ seconds: 300, refreshes: false });
    let restarted = false;
    const server = await serve((asked) => {
      const refused = restarted && asked.authorization === 'Bearer access-1';
      return refused ? recordedAnswer('unauthorized') : backend(asked);
    });
    const api = connect(server.url, alice);
    await api.request('GET', path);
    restarted = true;
    expect((await api.request('GET', path)).status).toBe(200);
  });

  it('with a wrong password names the user', async () => {
    const server = await serve(tokens({ seconds: 300, refreshes: true }));
    const api = connect(server.url, { login: { username: 'alice', password: 'WrongPass1' } });
    const failure = await failureOf(api.request('GET', path), ['WrongPass1']);
    expect(failure).toMatchObject({ kind: 'denied', code: 'API_LOGIN_REFUSED' });
    expect(failure.message).toContain('"alice"');
    // Tried again, it would lock the user out where something counts.
    expect(server.asked).toHaveLength(1);
  });

  it('with a key that is refused says so', async () => {
    const server = await serve(() => recordedAnswer('unauthorized'));
    const failure = await failureOf(connect(server.url).request('GET', path), secrets);
    expect(failure).toMatchObject({ kind: 'denied', code: 'API_DENIED' });
    expect(failure.message).toContain('bad credentials');
    expect(server.asked).toHaveLength(1);
  });

  it('is not believed where it is answered with a web page', async () => {
    const server = await serve(() => 'web page');
    const failure = await failureOf(connect(server.url, alice).request('GET', path), secrets);
    expect(failure).toMatchObject({ kind: 'failed', code: 'API_ANSWER_UNUSABLE' });
  });
});

describe('a request that failed on the way', () => {
  it.each(['reset', 'cut', 'error page'] as const)('is made again: %s', async (fault) => {
    let first = true;
    const server = await serve(() => {
      const reply = first ? fault : recordedAnswer('namespaces');
      first = false;
      return reply;
    });
    expect((await connect(server.url).request('GET', path)).body).toBe(recordedAnswer('namespaces').body);
    expect(server.asked).toHaveLength(2);
  });

  it('is made on another connection where the server has let go of the one that was kept', async () => {
    const server = await serve(() => recordedAnswer('namespaces'));
    const api = connect(server.url);
    for (let i = 0; i < 3; i += 1) {
      expect((await api.request('GET', path)).status).toBe(200);
      if (i > 0) server.closeIdle();
    }
    expect(server.asked).toHaveLength(3);
    expect(server.connections()).toBe(2);
  });

  it('is made again with all of its body', async () => {
    let first = true;
    const server = await serve(() => {
      const reply: Reply = first ? 'reset' : { status: 201 };
      first = false;
      return reply;
    });
    await connect(server.url).request('PUT', `${path}/new`, '{"name":"new"}');
    expect(server.asked.map(({ body }) => body)).toEqual(['{"name":"new"}', '{"name":"new"}']);
  });

  it.each([
    ['silence', 'API_TIMEOUT'],
    ['drip', 'API_TIMEOUT'],
    ['reset', 'API_UNREACHABLE'],
    ['cut', 'API_UNREACHABLE'],
    ['error page', 'API_FAILED'],
  ] as const)('ends after some tries: %s', async (fault, code) => {
    const server = await serve(() => fault);
    const failure = await failureOf(connect(server.url, { timeoutMs: 300 }).request('GET', path), secrets);
    expect(failure).toMatchObject({ kind: 'unreachable', code });
    expect(failure.message).toContain(server.url + path);
    expect(server.asked).toHaveLength(3);
  });

  it('ends with the signal', async () => {
    const server = await serve(() => 'silence');
    const stop = new AbortController();
    const api = connect(server.url, { signal: stop.signal });
    const asked = api.request('GET', path);
    setTimeout(() => {
      stop.abort(new Error('stopped by the test'));
    }, 50);
    await expect(asked).rejects.toThrow('stopped by the test');
  });
});

describe('a refusal', () => {
  const sensu = (status: number, code: number, message: string): Reply => ({
    status,
    body: JSON.stringify({ message, code }),
  });

  it.each([
    [400, recordedAnswer('put_user_without_password'), 'API_INVALID', 'refused', 'a password or its hash is'],
    [401, recordedAnswer('unauthorized'), 'API_DENIED', 'denied', 'bad credentials'],
    [402, sensu(402, 6, 'license required'), 'API_LICENCE_NEEDED', 'denied', 'license required'],
    [403, sensu(403, 4, 'unauthorized to perform action'), 'API_FORBIDDEN', 'denied', 'perform action'],
    // Some routes of Sensu answer so to a user without permission.
    [404, sensu(404, 4, 'unauthorized to perform action'), 'API_FORBIDDEN', 'denied', 'perform action'],
    [404, sensu(404, 2, 'not found'), 'API_NOT_FOUND', 'failed', 'not found'],
    [405, recordedAnswer('put_apikey'), 'API_METHOD_REFUSED', 'refused', '405'],
    [409, sensu(409, 3, 'entity is managed by its agent'), 'API_CONFLICT', 'refused', 'by its agent'],
    [
      500,
      sensu(500, 0, 'the namespace no does not exist'),
      'API_NAMESPACE_MISSING',
      'refused',
      'namespace no',
    ],
    [
      500,
      { status: 500, body: 'Request exceeded max length\n' },
      'API_REQUEST_TOO_LARGE',
      'refused',
      'large',
    ],
    [413, { status: 413, body: '<html>Too large</html>' }, 'API_REQUEST_TOO_LARGE', 'refused', 'large'],
    // Such as a proxy that asks for a login: what was put would pass for stored.
    [200, { body: '<!doctype html>' }, 'API_ANSWER_UNUSABLE', 'failed', 'web page'],
    [400, { status: 400, body: 'Bad Request\n' }, 'API_ANSWER_UNUSABLE', 'failed', '400'],
    [
      500,
      sensu(500, 0, 'Threshold reached: silenced crossed maximum duration allowed'),
      'API_SILENCE_TOO_LONG',
      'refused',
      'as long as this',
    ],
    [404, { status: 404, body: '404 page not found\n' }, 'API_ANSWER_UNUSABLE', 'failed', '404'],
    [403, { status: 403, body: '<html>Forbidden</html>' }, 'API_ANSWER_UNUSABLE', 'failed', 'web page'],
    [302, { status: 302, headers: { location: '/login' } }, 'API_ANSWER_UNUSABLE', 'failed', '302'],
  ] as const)(
    'is told by its status and not tried again: %i %j',
    async (status, reply, code, kind, words) => {
      const server = await serve(() => reply);
      const failure = await failureOf(connect(server.url).request('PUT', path, '{}'), secrets);
      expect(failure).toMatchObject({ code, kind });
      expect(failure.message).toContain(words);
      expect(failure.message).toContain(String(status));
      expect(failure.hint).not.toBe('');
      expect(server.asked).toHaveLength(1);
    },
  );

  /** The trap: of a 400 the operator was told to correct the resource. */
  it.each([
    'Client sent an HTTP request to an HTTPS server.\n',
    '<html><center>The plain HTTP request was sent to HTTPS port</center></html>',
  ])('of plain HTTP by a server that speaks TLS says so: %s', async (body) => {
    const server = await serve(() => ({ status: 400, body }));
    const failure = await failureOf(connect(server.url).request('GET', path), secrets);
    expect(failure).toMatchObject({ kind: 'unreachable', code: 'API_SCHEME_WRONG' });
    expect(failure.hint).toBe(`Give it as ${server.url.replace('http:', 'https:')}.`);
  });

  it('of TLS by a server that speaks plain HTTP says so, and is not tried again', async () => {
    const server = await serve(() => recordedAnswer('namespaces'));
    const api = connect(server.url.replace('http:', 'https:'), { waitsMs: [60_000] });
    const failure = await failureOf(api.request('GET', path), secrets);
    expect(failure).toMatchObject({ kind: 'unreachable', code: 'API_SCHEME_WRONG' });
    expect(failure.hint).toBe(`Give it as ${server.url}.`);
  });

  /** The trap: the name of an API key is the key. */
  it('tells no API key, neither in the path nor in the words of Sensu', async () => {
    const server = await serve(() => sensu(500, 0, `could not find the key /sensu.io/apikeys/${apiKey}`));
    const asked = connect(server.url).request('GET', `/api/core/v2/apikeys/${apiKey}`);
    expect((await failureOf(asked, secrets)).message).toContain('…1523');
  });

  it('passes on one short line, whatever it is given', async () => {
    const server = await serve(() => sensu(400, 1, `a\n\u001b[31mb${'c'.repeat(5000)}`));
    const { message } = await failureOf(connect(server.url).request('GET', path));
    expect(message.length).toBeLessThan(500);
    expect(message).not.toMatch(/\p{Cc}/u);
  });
});

it('trusts the CA that it is given, and does not ask again where another signed', async () => {
  const [own, other] = await Promise.all([createAuthority('own'), createAuthority('other')]);
  const server = await startRecordedApi(
    () => recordedAnswer('namespaces'),
    await own.issueServer(['127.0.0.1']),
  );
  onTestFinished(() => server.stop());
  expect((await connect(server.url, { ca: own.ca }).request('GET', path)).status).toBe(200);
  const failure = await failureOf(connect(server.url, { ca: other.ca }).request('GET', path), secrets);
  expect(failure).toMatchObject({ kind: 'unreachable', code: 'API_CERTIFICATE_REFUSED' });
});
