import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Listening {
  readonly endpoint: string;
  stop(): Promise<void>;
}

export async function listen(server: Server): Promise<Listening> {
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
