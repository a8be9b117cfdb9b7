import { randomInt } from 'node:crypto';
import net from 'node:net';

/**
 * Ports of 127.0.0.1 that nobody listens on. Below the range from which systems take the near ends of outgoing
 * connections, one of which could otherwise take the port before etcd does.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held: net.Server[] = [];
  try {
    for (let attempt = 0; held.length < count && attempt < 200; attempt += 1) {
      const server = await listen(randomInt(12_000, 32_000));
      if (server !== undefined) held.push(server);
    }
    if (held.length < count) throw new Error('No free ports on 127.0.0.1.');
    return held.map((server) => (server.address() as net.AddressInfo).port);
  } finally {
    await Promise.all(held.map(close));
  }
}

function listen(port: number): Promise<net.Server | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => {
      resolve(undefined);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      resolve(server);
    });
  });
}

function close(server: net.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}
