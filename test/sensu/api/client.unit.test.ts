import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { FerryError } from '../../../src/core/errors.js';
import { createAuthority } from '../../../src/etcd/throwaway/certificates.js';
import { createApiClient, explainHealth, type ApiOptions } from '../../../src/sensu/api/client.js';
import { recordedAnswer as recorded } from '../../support/recorded-api.js';
import { failureOf as failureWithout } from '../../support/ferry-error.js';

const apiKey = '24484dcc-ee3e-4f43-a347-a4aec7cd1523';

const servers: http.Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(server: http.Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function serve(listener: http.RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(http.createServer(listener))}`;
}

/** As the recorded backend: open paths, and one that wants the key. */
const backend: http.RequestListener = (request, response) => {
  const { authorization = '' } = request.headers;
  const alice = `Basic ${Buffer.from('alice:AlicePass1').toString('base64')}`;
  const answers: Readonly<Record<string, { readonly status: number; readonly body: string }>> = {
    '/version': recorded('version'),
    '/health': recorded('health'),
    '/ready': recorded('ready'),
    '/api/core/v2/cluster/id':
      authorization === `Key ${apiKey}` ? recorded('cluster_id') : recorded('unauthorized'),
    '/auth/test': authorization === alice ? { status: 200, body: '' } : recorded('auth_wrong'),
  };
  const { status, body } = answers[request.url ?? ''] ?? { status: 404, body: '404 page not found\n' };
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
};

const client = (url: string, more: Partial<ApiOptions> = {}): ReturnType<typeof createApiClient> =>
  createApiClient({ url, apiKey, ...more });

const failureOf = (work: Promise<unknown>): Promise<FerryError> =>
  failureWithout(work, [apiKey, 'AlicePass1']);

describe('a backend', () => {
  it('tells its version', async () => {
    expect(await client(await serve(backend)).version()).toEqual({
      sensuBackend: '6.12.0',
      etcdServer: '3.5.15',
      etcdCluster: '3.5.0',
    });
  });

  /** The trap: the ids are JSON numbers beyond 2^53, which JSON.parse rounds. */
  it('tells its health with exact ids', async () => {
    const { members, alarms } = await client(await serve(backend)).health();
    expect(alarms).toBe(0);
    expect(members).toEqual([
      { id: 11899211072982767986n, name: 'backend-1', healthy: true, error: '' },
      { id: 1514788396788848948n, name: 'backend-2', healthy: true, error: '' },
      { id: 13932404102743260255n, name: 'backend-3', healthy: true, error: '' },
    ]);
  });

  it('tells its cluster id to the holder of a key', async () => {
    expect(await client(await serve(backend)).clusterId()).toBe('9080c059-0b76-4df9-b29e-e1e32bcd0e48');
  });

  it('denies it to the holder of a wrong one', async () => {
    const url = await serve(backend);
    const failure = await failureOf(client(url, { apiKey: 'wrong-key' }).clusterId());
    expect(failure).toMatchObject({ kind: 'denied', code: 'API_DENIED' });
    expect(failure.message).toContain(`${url}/api/core/v2/cluster/id`);
    expect(failure.message).not.toContain('wrong-key');
  });

  it('is not asked for it without a key', async () => {
    const api = createApiClient({ url: await serve(backend) });
    expect(await failureOf(api.clusterId())).toMatchObject({ kind: 'usage', code: 'API_KEY_MISSING' });
  });

  it('checks logins', async () => {
    const api = client(await serve(backend));
    expect(await api.authenticates('alice', 'AlicePass1')).toBe(true);
    expect(await api.authenticates('alice', 'wrong')).toBe(false);
  });

  it('is ready, busy, or too old to have a word for it', async () => {
    let status = 200;
    const url = await serve((_request, response) => response.writeHead(status).end());
    expect(await client(await serve(backend)).isReady()).toBe(true);
    status = 503;
    expect(await client(url).isReady()).toBe(false);
    status = 404;
    expect(await client(url).isReady()).toBe(true);
  });

  it('may lie behind a path', async () => {
    const asked: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      asked.push(request.url);
      response.end(recorded('version').body);
    });
    await client(`${url}/sensu/`).version();
    expect(asked).toEqual(['/sensu/version']);
  });
});

describe('a server that is none of Sensu', () => {
  it.each([
    ['a web page', (_: unknown, response: http.ServerResponse) => response.end('<html>Welcome</html>')],
    ['JSON of something else', (_: unknown, response: http.ServerResponse) => response.end('{"ok":true}')],
    ['404', (_: unknown, response: http.ServerResponse) => response.writeHead(404).end()],
    [
      'a redirection',
      (_: unknown, response: http.ServerResponse) => response.writeHead(302, { location: '/login' }).end(),
    ],
    [
      '2 MiB',
      (_: unknown, response: http.ServerResponse) => response.end(Buffer.alloc(2 * 1024 * 1024, 0x20)),
    ],
  ])('is told by %s', async (_name, listener) => {
    const url = await serve(listener);
    for (const work of [
      () => client(url).version(),
      () => client(url).health(),
      () => client(url).clusterId(),
    ]) {
      const failure = await failureOf(work());
      expect(failure).toMatchObject({ kind: 'failed', code: 'API_ANSWER_UNUSABLE' });
      expect(failure.message).toContain(url);
    }
  });

  it('is not believed about logins', async () => {
    const url = await serve((_request, response) => response.writeHead(302, { location: '/' }).end());
    expect((await failureOf(client(url).authenticates('alice', 'AlicePass1'))).kind).toBe('failed');
  });
});

describe('a backend in trouble', () => {
  it('answers 500', async () => {
    const url = await serve((_request, response) => response.writeHead(500).end('<html>oops</html>'));
    for (const work of [
      () => client(url).version(),
      () => client(url).clusterId(),
      () => client(url).isReady(),
    ]) {
      expect(await failureOf(work())).toMatchObject({ kind: 'unreachable', code: 'API_FAILED' });
    }
  });

  it.each([
    ['never', (): void => undefined],
    [
      'for ever',
      (_request: unknown, response: http.ServerResponse): void => {
        const drip = setInterval(() => response.write(' '), 20);
        response.once('close', () => {
          clearInterval(drip);
        });
      },
    ],
  ])('answers %s', async (_name, listener) => {
    const url = await serve(listener);
    const startedAt = performance.now();
    const failure = await failureOf(client(url, { timeoutMs: 200 }).version());
    expect(failure).toMatchObject({ kind: 'unreachable', code: 'API_TIMEOUT' });
    expect(failure.message).toContain(`${url}/version`);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it.each([
    ['before it answers', (request: http.IncomingMessage): void => void request.socket.destroy()],
    [
      'in the middle',
      (request: http.IncomingMessage, response: http.ServerResponse): void => {
        response.writeHead(200, { 'content-length': 1000 }).write('{"etcd":', () => request.socket.destroy());
      },
    ],
  ])('goes away %s', async (_name, listener) => {
    const failure = await failureOf(client(await serve(listener)).version());
    expect(failure).toMatchObject({ kind: 'unreachable', code: 'API_UNREACHABLE' });
  });

  it('is not there', async () => {
    const server = http.createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const failure = await failureOf(client(`http://127.0.0.1:${port}`).version());
    expect(failure).toMatchObject({ kind: 'unreachable', code: 'API_UNREACHABLE' });
    expect(failure.message).toContain('ECONNREFUSED');
  });
});

describe('TLS', () => {
  it('trusts the CA that was given, and no other', async () => {
    const [own, other] = await Promise.all([createAuthority('own'), createAuthority('other')]);
    const pair = await own.issueServer(['127.0.0.1']);
    const port = await listen(https.createServer(pair, backend));
    const url = `https://127.0.0.1:${port}`;
    expect((await client(url, { ca: own.ca }).version()).sensuBackend).toBe('6.12.0');
    for (const ca of [{ ca: other.ca }, {}]) {
      const failure = await failureOf(client(url, ca).version());
      expect(failure).toMatchObject({ kind: 'unreachable', code: 'API_CERTIFICATE_REFUSED' });
    }
  });

  it('is told from plain HTTP', async () => {
    const url = (await serve(backend)).replace('http:', 'https:');
    expect(await failureOf(client(url).version())).toMatchObject({ kind: 'unreachable' });
  });
});

describe('what an operator gives', () => {
  it.each(['localhost:8080', 'ftp://x', '', 'not a url hunter2'])('is no URL: %s', (url) => {
    expect(() => createApiClient({ url })).toThrow(
      expect.objectContaining({ kind: 'usage', code: 'API_URL_UNUSABLE' }) as Error,
    );
  });

  /** The trap: copied from a command with curl, it led to a dump of nothing that exited 0. */
  it.each([
    ['http://h:8080/api/core/v2', 'Give http://h:8080 alone.'],
    ['https://u:hunter2@h/sensu/api/enterprise/secrets/v1', 'Give https://h/sensu alone.'],
  ])('has no path of the API in it: %s', (url, hint) => {
    expect(() => createApiClient({ url })).toThrow(
      expect.objectContaining({ kind: 'usage', code: 'API_URL_UNUSABLE', hint }) as Error,
    );
  });

  it('keeps a password in the URL to itself', async () => {
    const url = (await serve(backend)).replace('//', '//user:AlicePass1@');
    expect((await failureOf(client(`${url}/nowhere`).version())).code).toBe('API_ANSWER_UNUSABLE');
  });

  it.each(['', 'two words', 'line\nbreak'])('is no API key: %j', (key) => {
    expect(() => createApiClient({ url: 'http://127.0.0.1:1', apiKey: key })).toThrow(
      expect.objectContaining({ kind: 'usage', code: 'API_KEY_UNUSABLE' }) as Error,
    );
  });
});

describe('what /health means', () => {
  const member = (name: string, error = ''): Parameters<typeof explainHealth>[0]['members'][number] => ({
    id: 1n,
    name,
    healthy: error === '',
    error,
  });

  /** The trap: with password auth it shows every member as unhealthy, although Sensu works. */
  it('is no fault under password auth', () => {
    const error = 'etcdserver: user name is empty';
    const words = explainHealth({ members: [member('a', error), member('b', error)], alarms: 0 });
    expect(words).toContain('2 of 2 etcd members');
    expect(words).toContain('no fault');
    expect(words).toContain('cluster id and a login');
  });

  it('is a fault when a member cannot be reached', () => {
    const members = [member('a', 'context deadline exceeded'), member('b', 'etcdserver: user name is empty')];
    const words = explainHealth({ members, alarms: 0 });
    expect(words).toContain('a (context deadline exceeded)');
    expect(words).not.toContain('no fault');
  });

  it('is told for members in health, for none, and with alarms', () => {
    expect(explainHealth({ members: [member('a')], alarms: 0 })).toBe('The one etcd member is healthy.');
    expect(explainHealth({ members: [], alarms: 0 })).toContain('no members');
    expect(explainHealth({ members: [member('a')], alarms: 1 })).toContain('1 alarm is on');
  });
});
