import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { ConnectOptions } from '../connect-options.js';
import type { Call, Service } from './call.js';
import type { Etcd3Member } from './etcd3-member.js';
import { Http2Channel, type Http2Call } from './http2-channel.js';

/** A way to a member: an endpoint, and which of the addresses that its name has where it has several. */
export interface Door {
  readonly endpoint: string;
  readonly address?: string;
}

/**
 * Requests to one member of a cluster: sessions, deadlines, cancelling. etcd3 is loaded with the first request that
 * it is needed for, and connects by itself.
 */
export class MemberTransport {
  readonly #endpoint: string;
  readonly #options: ConnectOptions;
  readonly #deadlineMs: number;
  readonly #channel: Http2Channel;
  #etcd3: Etcd3Member | undefined;

  constructor({ endpoint, address }: Door, options: ConnectOptions, deadlineMs: number) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#deadlineMs = deadlineMs;
    this.#channel = new Http2Channel(endpoint, options.tls ?? {}, address);
  }

  async unary(call: Call, token: string | undefined, deadlineMs = this.#deadlineMs): Promise<unknown> {
    const metadata = {
      ...(token !== undefined && { token }),
      ...(call.needsLeader !== false && { hasleader: 'true' }),
    };
    if ('path' in call) return this.#channel.unary(call.path, call.message, metadata, deadlineMs);
    return (await this.#throughEtcd3()).unary(call, metadata);
  }

  serverStream(path: string, message: Buffer, token: string | undefined): Http2Call {
    return this.#channel.open(path, message, token === undefined ? {} : { token });
  }

  async duplex(
    service: Service,
    method: string,
    token: string | undefined,
  ): Promise<ClientDuplexStream<unknown, unknown>> {
    return (await this.#throughEtcd3()).duplex(service, method, token === undefined ? {} : { token });
  }

  cancelAll(): void {
    this.#channel.cancelAll();
    this.#etcd3?.cancelAll();
  }

  close(): void {
    this.#channel.close();
    this.#etcd3?.close();
  }

  async #throughEtcd3(): Promise<Etcd3Member> {
    const { Etcd3Member } = await import('./etcd3-member.js');
    this.#options.signal?.throwIfAborted();
    this.#etcd3 ??= new Etcd3Member(this.#endpoint, this.#options, this.#deadlineMs);
    return this.#etcd3;
  }
}
