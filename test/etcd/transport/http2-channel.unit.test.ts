import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { GrpcStatus } from '../../../src/etcd/errors.js';
import { Http2Channel } from '../../../src/etcd/transport/http2-channel.js';

/** A channel to a server that answers each call as the test says. */
async function channelTo(answer: (stream: ServerHttp2Stream) => void): Promise<Http2Channel> {
  const server = createServer().on('stream', (stream) => {
    // A call that is reset is an error here, too.
    stream.on('error', () => undefined);
    answer(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const channel = new Http2Channel(`http://127.0.0.1:${port}`, {});
  onTestFinished(() => {
    channel.close();
    server.close();
  });
  return channel;
}

const call = (channel: Http2Channel): Promise<Buffer> =>
  channel.unary('/package.Service/Method', Buffer.from('question'), {}, 10_000);

async function messages(channel: Http2Channel): Promise<string[]> {
  const received: string[] = [];
  for await (const message of channel.open('/package.Service/Method', Buffer.alloc(0), {})) {
    received.push(message.toString());
  }
  return received;
}

function framed(text: string, length = Buffer.byteLength(text)): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, Buffer.from(text)]);
}

function endWith(stream: ServerHttp2Stream, body: readonly Buffer[], trailers: Record<string, string>): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => {
    stream.sendTrailers(trailers);
  });
  for (const piece of body) stream.write(piece);
  stream.end();
}

const ok = { 'grpc-status': '0' };

test('messages come whole, however the bytes are cut', async () => {
  const sent = ['one', '', 'x'.repeat(200_000), 'four'];
  const bytes = Buffer.concat(sent.map((text) => framed(text)));
  for (const size of [1, 4, 7, 16_384, bytes.length]) {
    const pieces = Array.from({ length: Math.min(2000, Math.ceil(bytes.length / size)) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    const rest = bytes.subarray(2000 * size);
    const channel = await channelTo((stream) => {
      endWith(stream, [...pieces, rest], ok);
    });
    expect(await messages(channel)).toEqual(sent);
  }
});

test('the request is sent as gRPC has it', async () => {
  const channel = await channelTo((stream) => {
    stream.once('data', (bytes: Buffer) => {
      endWith(stream, [framed(bytes.toString('hex'))], ok);
    });
  });
  expect((await call(channel)).toString()).toBe(framed('question').toString('hex'));
});

test('nothing is taken that was not asked for', async () => {
  const channel = await channelTo((stream) => {
    endWith(stream, [framed(String(stream.pushAllowed))], ok);
  });
  expect((await call(channel)).toString()).toBe('false');
});

test('a failure has the words of the server, also one that comes at once', async () => {
  const failure = { 'grpc-status': '7', 'grpc-message': 'etcdserver: permission denied%0A' };
  const wanted = { code: GrpcStatus.permissionDenied, details: 'etcdserver: permission denied\n' };
  const late = await channelTo((stream) => {
    endWith(stream, [framed('half')], failure);
  });
  await expect(call(late)).rejects.toMatchObject(wanted);
  const atOnce = await channelTo((stream) => {
    stream.respond({ ':status': 200, ...failure }, { endStream: true });
  });
  await expect(call(atOnce)).rejects.toMatchObject(wanted);
});

// It would pass for the end of a snapshot.
test.each([
  [
    'ends without a status',
    (stream: ServerHttp2Stream) => {
      endWith(stream, [framed('half')], {});
    },
  ],
  [
    'is reset',
    (stream: ServerHttp2Stream) => {
      stream.close(2);
    },
  ],
  [
    'loses its connection',
    (stream: ServerHttp2Stream) => {
      stream.session?.destroy();
    },
  ],
  [
    'is answered by a proxy',
    (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 503 }, { endStream: true });
    },
  ],
])('a call that %s has failed, and the next one is made anew', async (_what, answer) => {
  let calls = 0;
  const channel = await channelTo((stream) => {
    calls += 1;
    if (calls === 1) answer(stream);
    else endWith(stream, [framed('answer')], ok);
  });
  await expect(call(channel)).rejects.toMatchObject({ code: GrpcStatus.unavailable });
  expect((await call(channel)).toString()).toBe('answer');
});

test('an answer that claims to be endless is not waited for', async () => {
  const channel = await channelTo((stream) => {
    endWith(stream, [framed('', 0xffffffff)], ok);
  });
  await expect(call(channel)).rejects.toMatchObject({ code: GrpcStatus.resourceExhausted });
});

test('a server that does not answer is given up at the deadline', async () => {
  const channel = await channelTo(() => undefined);
  await expect(channel.unary('/package.Service/Method', Buffer.alloc(0), {}, 50)).rejects.toMatchObject({
    code: GrpcStatus.deadlineExceeded,
  });
});
