import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';

/** In front of an etcd, on a loopback port. */
export interface StatusRefused {
  readonly endpoint: string;
  /** How often it has refused. */
  readonly refusals: () => number;
  readonly stop: () => Promise<void>;
}

/** As etcd 3.5.30 and 3.6.6 were seen to answer `Maintenance.Status` to every user without the role root. */
const refusal: http2.OutgoingHttpHeaders = {
  ':status': 200,
  'content-type': 'application/grpc',
  'grpc-status': '7',
  'grpc-message': 'etcdserver: permission denied',
};

/**
 * No release of `etcdVersions` refuses its status to users, as those between did: whatever is asked here is answered by
 * the etcd, but for its status.
 */
export async function startStatusRefused(etcd: string): Promise<StatusRefused> {
  const upstream = http2.connect(etcd);
  upstream.on('error', () => undefined);
  let refused = 0;
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    if (headers[':path'] === '/etcdserverpb.Maintenance/Status') {
      refused += 1;
      stream.respond(refusal, { endStream: true });
    } else passOn(upstream, stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refusals: () => refused,
    stop: async () => {
      for (const session of sessions) session.destroy();
      upstream.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function passOn(
  upstream: http2.ClientHttp2Session,
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
): void {
  const request = upstream.request(headers);
  request.on('error', () => {
    stream.close();
  });
  stream.on('close', () => {
    request.close();
  });
  request.on('response', (answer, flags) => {
    // An answer without a body is its own end.
    const isEnd = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond(answer, isEnd ? { endStream: true } : { waitForTrailers: true });
  });
  let trailers: http2.IncomingHttpHeaders = {};
  request.on('trailers', (given: http2.IncomingHttpHeaders) => {
    trailers = given;
  });
  stream.on('wantTrailers', () => {
    stream.sendTrailers(trailers);
  });
  stream.pipe(request);
  request.pipe(stream);
}
