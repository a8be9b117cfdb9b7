import {
  credentials,
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type Metadata as GrpcMetadata,
} from '@grpc/grpc-js';
import { createSecureContext } from 'node:tls';
import { Etcd3 } from 'etcd3';
import { trustEachCertificate } from '../../core/trust.js';
import type { ConnectOptions, TlsFiles } from '../connect-options.js';
import { largestAnswer, sessionMegabytes, type Metadata } from './http2-channel.js';
import type { Etcd3Call, Service } from './call.js';

type Callback = (error: Error | null, answer: unknown) => void;
type Unary = (
  payload: object,
  metadata: GrpcMetadata,
  options: CallOptions,
  done: Callback,
) => { cancel(): void };
type Duplex = (metadata: GrpcMetadata, options: CallOptions) => ClientDuplexStream<unknown, unknown>;

interface ServiceClient {
  readonly client: Client;
  /** Empty. etcd3 exports no constructor for it. */
  readonly metadata: GrpcMetadata;
}

/** Reaches the connection pool of etcd3, which is protected: the only way around the faults of its calls. */
class PoolAccess extends Etcd3 {
  /** Used outside of the pool's own handling, which would turn failures into errors without etcd's words. */
  serviceClient(service: Service): Promise<ServiceClient> {
    return this.pool.withConnection(service, ({ client, metadata }) => ({ client, metadata }));
  }

  /** Before the first request. Of all that TLS has to choose, etcd3's own options know the three files only. */
  dialSecurely(tls: TlsFiles): void {
    const secure = credentials.createFromSecureContext(
      createSecureContext({ ...tls, ...trustEachCertificate }),
    );
    const { hosts } = this.pool as unknown as { hosts: { channelCredentials: ChannelCredentials }[] };
    for (const host of hosts) host.channelCredentials = secure;
  }
}

/** Runs its argument as it is. etcd3's own policies repeat writes that may have been applied, and hide errors. */
const noPolicy = (): never =>
  ({
    execute: (work: (context: object) => unknown) => Promise.resolve(work({})),
    onSuccess: () => ({ dispose: () => undefined }),
    onFailure: () => ({ dispose: () => undefined }),
  }) as never;

/** etcd3 shuffles its hosts for each call, so a request cannot be aimed; one of these for each endpoint can. */
export class Etcd3Member {
  readonly #pool: PoolAccess;
  readonly #deadlineMs: number;
  readonly #underWay = new Set<{ cancel(): void }>();

  constructor(endpoint: string, options: ConnectOptions, deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
    this.#pool = new PoolAccess({
      hosts: endpoint,
      faultHandling: { global: noPolicy(), host: noPolicy },
      grpcOptions: {
        // grpc-js by default takes 4 MiB only.
        'grpc.max_receive_message_length': largestAnswer,
        'grpc.max_send_message_length': largestAnswer,
        'grpc-node.max_session_memory': sessionMegabytes,
        // etcd closes connections that are pinged more often than every 5 s.
        'grpc.keepalive_time_ms': 20_000,
        'grpc.keepalive_timeout_ms': 10_000,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 1000,
        // As etcdctl: a proxy of the environment is meant for the web, not for etcd.
        'grpc.enable_http_proxy': 0,
      },
    });
    if (endpoint.startsWith('https:')) this.#pool.dialSecurely(options.tls ?? {});
  }

  async unary(call: Etcd3Call, entries: Metadata): Promise<unknown> {
    const { client, metadata } = await this.#serviceClient(call.service, entries);
    const method = methodOf<Unary>(client, call.method);
    const options = { deadline: Date.now() + this.#deadlineMs };
    return new Promise((resolve, reject) => {
      const running = method(call.payload, metadata, options, (error, answer) => {
        this.#underWay.delete(running);
        if (error === null) resolve(answer);
        else reject(error);
      });
      this.#underWay.add(running);
    });
  }

  async duplex(
    service: Service,
    method: string,
    entries: Metadata,
  ): Promise<ClientDuplexStream<unknown, unknown>> {
    const { client, metadata } = await this.#serviceClient(service, entries);
    const stream = methodOf<Duplex>(client, method)(metadata, {});
    this.#underWay.add(stream);
    stream.once('close', () => this.#underWay.delete(stream));
    return stream;
  }

  cancelAll(): void {
    for (const running of [...this.#underWay]) running.cancel();
  }

  close(): void {
    this.cancelAll();
    this.#pool.close();
  }

  async #serviceClient(service: Service, entries: Metadata): Promise<ServiceClient> {
    const { client, metadata: empty } = await this.#pool.serviceClient(service);
    const metadata = empty.clone();
    for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
    return { client, metadata };
  }
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names the kind of call
function methodOf<Method>(client: Client, name: string): Method {
  const methods = client as unknown as Record<string, (...args: never[]) => unknown>;
  return methods[name]!.bind(client) as Method;
}
