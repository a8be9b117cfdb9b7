import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

interface Listening {
  readonly endpoint: string;
  stop(): Promise<void>;
}

async function listen(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Passes everything on to the server at `endpoint`, but ends each connection after so many bytes of answers. */
export async function cuttingProxy(
  endpoint: string,
  bytes: number,
): Promise<Listening & { readonly cuts: () => number }> {
  let cuts = 0;
  const { hostname, port } = new URL(endpoint);
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let passed = 0;
    client.on('data', (chunk) => upstream.write(chunk)).on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    upstream.on('data', (chunk) => {
      const left = bytes - passed;
      passed += chunk.length;
      if (chunk.length < left) client.write(chunk);
      else if (left > 0) {
        cuts += 1;
        client.write(chunk.subarray(0, left), () => client.destroy());
      }
    });
  });
  return { ...(await listen(server)), cuts: () => cuts };
}

/** Passes everything on, but ends the first connections that have sent so many bytes. */
export async function uploadCuttingProxy(
  endpoint: string,
  bytes: number,
  times: number,
): Promise<Listening & { readonly cuts: () => number }> {
  let cuts = 0;
  const { hostname, port } = new URL(endpoint);
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let passed = 0;
    client.on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    upstream.on('data', (chunk) => client.write(chunk));
    client.on('data', (chunk) => {
      passed += chunk.length;
      if (passed < bytes || cuts === times) upstream.write(chunk);
      else {
        cuts += 1;
        passed = 0;
        client.destroy();
      }
    });
  });
  return { ...(await listen(server)), cuts: () => cuts };
}

/** Passes everything on; after so many bytes it is away for a while, as a server that is started anew. */
export async function restartedProxy(endpoint: string, bytes: number, awayMs: number): Promise<Listening> {
  let passed = 0;
  const sockets = new Set<Socket>();
  const { hostname, port } = new URL(endpoint);
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    sockets.add(client);
    client.on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    upstream.on('data', (chunk) => client.write(chunk));
    client.on('data', (chunk) => {
      const before = passed;
      passed += chunk.length;
      if (before < bytes && passed >= bytes) restart();
      else upstream.write(chunk);
    });
  });
  const listening = await listen(server);
  const restart = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
    setTimeout(() => server.listen(Number(new URL(listening.endpoint).port), '127.0.0.1'), awayMs);
  };
  return listening;
}

/** Keeps objects in memory as an old server does: writes where it must not, or says that it cannot promise. */
export function forgetfulServer(conditions: 'ignores' | 'refuses'): Promise<Listening> {
  const objects = new Map<string, Buffer>();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    const key = request.url!.split('?')[0]!;
    if (request.method === 'PUT') {
      if (request.headers['if-none-match'] !== undefined && conditions === 'refuses') {
        response.writeHead(501).end('<Error><Code>NotImplemented</Code></Error>');
        return;
      }
      objects.set(key, body);
      response.writeHead(200, { etag: '"x"' }).end();
      return;
    }
    if (request.method === 'DELETE') {
      objects.delete(key);
      response.writeHead(204).end();
      return;
    }
    if (request.url!.includes('list-type=2')) {
      response.writeHead(200, { 'content-type': 'application/xml' }).end(listOf(objects, key));
      return;
    }
    const found = objects.get(key);
    response.writeHead(found === undefined ? 404 : 200, { 'content-length': found?.length ?? 0 });
    response.end(request.method === 'HEAD' ? undefined : found);
  };
  return listen(
    createHttpServer((request, response) => {
      void answer(request, response);
    }),
  );
}

/** As ListObjectsV2 answers, of all that is in a bucket. */
function listOf(objects: ReadonlyMap<string, Buffer>, bucket: string): string {
  const start = `${bucket.replace(/\/$/, '')}/`;
  const contents = [...objects]
    .filter(([key]) => key.startsWith(start))
    .map(([key, { length }]) => {
      const facts = `<Key>${key.slice(start.length)}</Key><Size>${length}</Size>`;
      return `<Contents>${facts}<LastModified>${new Date().toISOString()}</LastModified></Contents>`;
    });
  return `<ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`;
}

/** Passes everything on to the server at `endpoint`, until so many bytes were sent there; then nothing more. */
export async function stallingProxy(
  endpoint: string,
  bytes: number,
): Promise<Listening & { readonly stalled: Promise<void> }> {
  let passed = 0;
  let stall: () => void;
  const stalled = new Promise<void>((resolve) => {
    stall = resolve;
  });
  const { hostname, port } = new URL(endpoint);
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    client.on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    upstream.on('data', (chunk) => client.write(chunk));
    client.on('data', (chunk) => {
      passed += chunk.length;
      if (passed < bytes) upstream.write(chunk);
      else stall();
    });
  });
  return { ...(await listen(server)), stalled };
}
