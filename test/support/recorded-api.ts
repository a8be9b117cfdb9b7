import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';

export interface RecordedAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An answer of a real backend, out of `fixtures/cluster3-6.12.0/http/`. */
export function recordedAnswer(name: string): RecordedAnswer {
  const url = new URL(`../../fixtures/cluster3-6.12.0/http/${name}.txt`, import.meta.url);
  const text = readFileSync(url, 'utf8');
  const end = text.indexOf('\r\n\r\n');
  const [statusLine, ...lines] = text.slice(0, end).split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(statusLine!)![1]),
    headers: Object.fromEntries(headers),
    body: text.slice(end + 4),
  };
}

/**
 * What else a server may do: never answer, answer a byte at a time for ever, break off before the answer or in the
 * middle of it, or show the page of a proxy.
 */
type Fault = 'silence' | 'drip' | 'reset' | 'cut' | 'web page' | 'error page';

export type Reply = Fault | { readonly status?: number; readonly headers?: object; readonly body?: string };

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly authorization: string;
  readonly body: string;
}

export interface RecordedApi {
  readonly url: string;
  /** All requests so far. */
  readonly asked: readonly Asked[];
  /** How many connections were made so far. */
  readonly connections: () => number;
  /** Lets go of the connections that nothing is asked on, as servers do after a while. */
  readonly closeIdle: () => void;
  stop(): Promise<void>;
}

/** A server on loopback that gives each request the reply that it is told; 404 as Sensu has it where that is none. */
export async function startRecordedApi(
  reply: (asked: Asked) => Reply | undefined,
  tls?: { readonly cert: Buffer; readonly key: Buffer },
): Promise<RecordedApi> {
  const asked: Asked[] = [];
  const listener: http.RequestListener = (request, response) => {
    void readRequest(request).then((received) => {
      asked.push(received);
      give(reply(received) ?? notFound, request, response);
    });
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  let connections = 0;
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    asked,
    connections: () => connections,
    closeIdle: () => {
      server.closeIdleConnections();
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const notFound: Reply = { status: 404, body: '{"error":"not found","code":2}' };

async function readRequest(request: http.IncomingMessage): Promise<Asked> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  const { method = '', url: path = '', headers } = request;
  return {
    ...{ method, path },
    authorization: headers.authorization ?? '',
    body: Buffer.concat(parts).toString('utf8'),
  };
}

function give(reply: Reply, request: http.IncomingMessage, response: http.ServerResponse): void {
  switch (reply) {
    case 'silence':
      return;
    case 'drip': {
      const drip = setInterval(() => response.write(' '), 20);
      response.once('close', () => {
        clearInterval(drip);
      });
      return;
    }
    case 'reset':
      request.socket.destroy();
      return;
    case 'cut':
      response.writeHead(200, { 'content-length': 1000 }).write('[{"name":', () => request.socket.destroy());
      return;
    case 'web page':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><html>Welcome</html>');
      return;
    case 'error page':
      response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad Gateway</html>');
      return;
    default:
      response.writeHead(reply.status ?? 200, { ...reply.headers }).end(reply.body ?? '');
  }
}
