import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';
import { isIP, type LookupFunction } from 'node:net';
import { finished } from 'node:stream/promises';
import { trustEachCertificate } from '../../core/trust.js';
import type { TlsFiles } from '../connect-options.js';
import { GrpcError, GrpcStatus } from '../errors.js';

/** gRPC's metadata, which go as headers. */
export type Metadata = Readonly<Record<string, string>>;

/** HTTP/2 starts with 64 KiB under way, too little for the pages of a store or its snapshot. */
const flowControlWindow = 8 * 1024 * 1024;
/** Several windows: Node's own 10 MB would cut streams short that fill theirs. */
export const sessionMegabytes = 64;
/** etcd answers with up to what its own limits allow. */
export const largestAnswer = 64 * 1024 * 1024;

/** gRPC by Node's own HTTP/2: requests that go out before a package for it would be loaded. */
export class Http2Channel {
  readonly #endpoint: string;
  readonly #tls: TlsFiles;
  readonly #address: string | undefined;
  readonly #underWay = new Set<Http2Call>();
  #session: ClientHttp2Session | undefined;

  /** `address`: the one to dial of several that the endpoint's name has. */
  constructor(endpoint: string, tls: TlsFiles, address?: string) {
    this.#endpoint = endpoint;
    this.#tls = tls;
    this.#address = address;
  }

  /** @throws GrpcError */
  async unary(path: string, message: Buffer, metadata: Metadata, deadlineMs: number): Promise<Buffer> {
    const call = this.open(path, message, { ...metadata, 'grpc-timeout': `${deadlineMs}m` });
    const deadline = setTimeout(() => {
      call.fail(new GrpcError(GrpcStatus.deadlineExceeded, 'Deadline exceeded'));
      // Where nothing comes back any more, the next request dials anew.
      this.#session?.close();
    }, deadlineMs);
    try {
      let answer: Buffer = Buffer.alloc(0);
      for await (const received of call) answer = received;
      return answer;
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Sends the one message of a call whose answers are many. */
  open(path: string, message: Buffer, metadata: Metadata): Http2Call {
    const stream = this.#connected().request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...metadata,
    });
    const call = new Http2Call(stream);
    this.#underWay.add(call);
    stream.once('close', () => this.#underWay.delete(call));
    const prefix = Buffer.alloc(prefixLength);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
    return call;
  }

  cancelAll(): void {
    for (const call of [...this.#underWay]) call.cancel();
  }

  close(): void {
    this.cancelAll();
    this.#session?.destroy();
  }

  #connected(): ClientHttp2Session {
    const known = this.#session;
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const session = connect(this.#endpoint, {
      ...this.#tls,
      ...trustEachCertificate,
      ...(this.#address !== undefined && { lookup: always(this.#address) }),
      // etcd pushes nothing, and what nobody asked for would be kept for nobody.
      settings: { initialWindowSize: flowControlWindow, enablePush: false },
      maxSessionMemory: sessionMegabytes,
    });
    session.once('connect', () => {
      session.setLocalWindowSize(flowControlWindow);
    });
    // Each call fails by itself.
    session.on('error', () => undefined);
    this.#session = session;
    return session;
  }
}

/** Resolves every name to that address. */
function always(address: string): LookupFunction {
  const family = isIP(address);
  return (_name, { all }, found) => {
    if (all === true) found(null, [{ address, family }]);
    else found(null, address, family);
  };
}

/** The answers of a call, each valid until the next is asked for. Throws a GrpcError unless the server ends it with its status OK. */
export class Http2Call implements AsyncIterable<Buffer> {
  readonly #stream: ClientHttp2Stream;
  #status: GrpcError | 'ok' | undefined;

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream;
    stream.on('response', (headers) => {
      const http = headers[':status'] ?? 0;
      if (http !== 200) this.#status = new GrpcError(codeOfHttp(http), `Received HTTP status code ${http}`);
      else this.#take(headers);
    });
    stream.on('trailers', (headers: IncomingHttpHeaders) => {
      this.#take(headers);
    });
    // Whoever reads is told; nobody may be reading yet, or any more.
    stream.on('error', () => undefined);
  }

  cancel(): void {
    this.fail(new GrpcError(GrpcStatus.cancelled, 'Cancelled on client'));
  }

  fail(error: GrpcError): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#stream.destroy(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    const messages = new Messages();
    try {
      for await (const piece of piecesOf(this.#stream)) yield* messages.add(piece);
    } catch (error) {
      throw this.#status instanceof GrpcError ? this.#status : asGrpcError(error);
    }
    // A connection that is cut can look like the end of a stream.
    if (this.#status !== 'ok') throw this.#status ?? asGrpcError(new Error('the connection was closed'));
  }

  #take({ 'grpc-status': status, 'grpc-message': message }: IncomingHttpHeaders): void {
    if (typeof status !== 'string') return;
    this.#status = status === '0' ? 'ok' : new GrpcError(Number(status), decodeDetails(message));
  }
}

/** So many pieces, of 16 KiB or so, wait at most. */
const mostWaiting = 64;

/** What a stream gives, piece by piece. Its own iterator joins all that waits, and so copies it once more. */
async function* piecesOf(stream: ClientHttp2Stream): AsyncGenerator<Buffer, void, undefined> {
  let waiting: Buffer[] = [];
  let wake = (): void => undefined;
  const state = { isOver: false };
  const over = finished(stream, { writable: false }).finally(() => {
    state.isOver = true;
    wake();
  });
  // Whoever reads is told below.
  over.catch(() => undefined);
  stream.on('data', (piece: Buffer) => {
    waiting.push(piece);
    if (waiting.length === mostWaiting) stream.pause();
    wake();
  });
  try {
    while (!state.isOver || waiting.length > 0) {
      if (waiting.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const pieces = waiting;
      waiting = [];
      stream.resume();
      yield* pieces;
    }
    await over;
  } finally {
    stream.destroy();
  }
}

function asGrpcError(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  return new GrpcError(GrpcStatus.unavailable, error instanceof Error ? error.message : 'unknown reason');
}

/** As gRPC has it for answers that are no gRPC, such as those of a proxy. */
function codeOfHttp(status: number): number {
  return [429, 502, 503, 504].includes(status) ? GrpcStatus.unavailable : GrpcStatus.unknown;
}

function decodeDetails(message: unknown): string {
  if (typeof message !== 'string') return '';
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

/** A message follows one byte for its compression, which nobody asked for, and its length in four. */
const prefixLength = 5;

/** Puts messages together from pieces that begin and end anywhere. A message is valid until the next is asked for. */
class Messages {
  /** Of the size of a message, which those who keep a part of it keep alive. */
  #buffer = Buffer.allocUnsafeSlow(prefixLength);
  #filled = 0;
  /** Bytes until there is something to do: a prefix, or it and the message that it announces. */
  #wanted = prefixLength;

  *add(piece: Buffer): Generator<Buffer, void, undefined> {
    for (let taken = 0; taken < piece.length;) {
      const copied = piece.copy(this.#buffer, this.#filled, taken, taken + this.#wanted - this.#filled);
      taken += copied;
      this.#filled += copied;
      if (this.#filled < this.#wanted) return;
      if (this.#wanted === prefixLength) this.#makeRoom();
      if (this.#filled < this.#wanted) continue;
      yield this.#buffer.subarray(prefixLength, this.#wanted);
      this.#filled = 0;
      this.#wanted = prefixLength;
    }
  }

  /** For the message that the prefix announces. */
  #makeRoom(): void {
    this.#wanted += this.#buffer.readUInt32BE(1);
    if (this.#wanted > largestAnswer) {
      const details = `Received message larger than max (${this.#wanted} bytes)`;
      throw new GrpcError(GrpcStatus.resourceExhausted, details);
    }
    if (this.#wanted <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(this.#wanted);
    this.#buffer.copy(larger, 0, 0, prefixLength);
    this.#buffer = larger;
  }
}
