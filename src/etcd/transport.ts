import type { CallOptions, Client, ClientReadableStream, ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectOptions, Credentials } from './client.js';
import { asEtcdError, isDenied, isNotSent, isPassing, isTimeout, isTokenEnded } from './errors.js';

export type Service = 'KV' | 'Lease' | 'Watch' | 'Auth' | 'Cluster' | 'Maintenance';

/** Whether a request may be sent again when nobody knows whether it was applied. */
export type Repeatable = 'read' | 'write';

interface Call {
  readonly service: Service;
  readonly method: string;
  readonly payload: object;
  readonly repeatable: Repeatable;
  /** Some requests work without a leader, and must: the status of a member is one. */
  readonly needsLeader?: boolean;
}

type Callback = (error: Error | null, answer: unknown) => void;
type Unary = (
  payload: object,
  metadata: Metadata,
  options: CallOptions,
  done: Callback,
) => { cancel(): void };
type ServerStream = (
  payload: object,
  metadata: Metadata,
  options: CallOptions,
) => ClientReadableStream<unknown>;
type Duplex = (metadata: Metadata, options: CallOptions) => ClientDuplexStream<unknown, unknown>;

interface ServiceClient {
  readonly client: Client;
  /** Empty. etcd3 exports no constructor for it. */
  readonly metadata: Metadata;
}

/** Reaches the connection pool of etcd3, which is protected: the only way around the faults of its calls. */
class PoolAccess extends Etcd3 {
  /** Used outside of the pool's own handling, which would turn failures into errors without etcd's words. */
  serviceClient(service: Service): Promise<ServiceClient> {
    return this.pool.withConnection(service, ({ client, metadata }) => ({ client, metadata }));
  }
}

/** etcd answers with up to what its own limits allow; grpc-js by default takes 4 MiB only. */
const largestAnswer = 64 * 1024 * 1024;
const flowControlWindow = 8 * 1024 * 1024;
const patience = 3;

/** Runs its argument as it is. etcd3's own policies repeat writes that may have been applied, and hide errors. */
const noPolicy = (): never =>
  ({
    execute: (work: (context: object) => unknown) => Promise.resolve(work({})),
    onSuccess: () => ({ dispose: () => undefined }),
    onFailure: () => ({ dispose: () => undefined }),
  }) as never;

/**
 * Requests to one member of a cluster: sessions, deadlines, cancelling. etcd3 shuffles its hosts for each call,
 * so a request cannot be aimed; one of these for each endpoint can.
 */
class MemberTransport {
  readonly endpoint: string;
  readonly #pool: PoolAccess;
  readonly #deadlineMs: number;
  readonly #underWay = new Set<{ cancel(): void }>();

  constructor(endpoint: string, options: ConnectOptions, deadlineMs: number) {
    this.endpoint = endpoint;
    this.#deadlineMs = deadlineMs;
    const { ca, cert, key } = options.tls ?? {};
    const tls = {
      ...(ca && { rootCertificate: ca }),
      ...(cert && { certChain: cert }),
      ...(key && { privateKey: key }),
    };
    this.#pool = new PoolAccess({
      hosts: endpoint,
      // With credentials etcd3 dials TLS whatever the URL says.
      ...(endpoint.startsWith('https:') && { credentials: tls as { rootCertificate: Buffer } }),
      faultHandling: { global: noPolicy(), host: noPolicy },
      grpcOptions: {
        'grpc.max_receive_message_length': largestAnswer,
        'grpc.max_send_message_length': largestAnswer,
        // etcd closes connections that are pinged more often than every 5 s.
        'grpc.keepalive_time_ms': 20_000,
        'grpc.keepalive_timeout_ms': 10_000,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 1000,
        // HTTP/2 starts with 64 KiB under way, too little for the pages of a store or its snapshot.
        'grpc-node.flow_control_window': flowControlWindow,
        // As etcdctl: a proxy of the environment is meant for the web, not for etcd.
        'grpc.enable_http_proxy': 0,
      },
    });
  }

  async unary(call: Call, token: string | undefined): Promise<unknown> {
    const { client, metadata: empty } = await this.#pool.serviceClient(call.service);
    const method = methodOf<Unary>(client, call.method);
    const metadata = withToken(empty, token);
    if (call.needsLeader !== false) metadata.set('hasleader', 'true');
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

  async serverStream(
    service: Service,
    method: string,
    payload: object,
    token: string | undefined,
  ): Promise<ClientReadableStream<unknown>> {
    const { client, metadata } = await this.#pool.serviceClient(service);
    // etcd3 passes the metadata as the request here, so its own snapshot call sends no token.
    return this.#track(methodOf<ServerStream>(client, method)(payload, withToken(metadata, token), {}));
  }

  async duplex(
    service: Service,
    method: string,
    token: string | undefined,
  ): Promise<ClientDuplexStream<unknown, unknown>> {
    const { client, metadata } = await this.#pool.serviceClient(service);
    return this.#track(methodOf<Duplex>(client, method)(withToken(metadata, token), {}));
  }

  cancelAll(): void {
    for (const running of [...this.#underWay]) running.cancel();
  }

  close(): void {
    this.cancelAll();
    this.#pool.close();
  }

  #track<Stream extends ClientReadableStream<unknown>>(stream: Stream): Stream {
    this.#underWay.add(stream);
    stream.once('close', () => this.#underWay.delete(stream));
    return stream;
  }
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names the kind of call
function methodOf<Method>(client: Client, name: string): Method {
  const methods = client as unknown as Record<string, (...args: never[]) => unknown>;
  return methods[name]!.bind(client) as Method;
}

function withToken(empty: Metadata, token: string | undefined): Metadata {
  const metadata = empty.clone();
  if (token !== undefined) metadata.set('token', token);
  return metadata;
}

/**
 * Requests to a cluster. Keeps a session and renews it when etcd ends it, moves on to another member when one
 * is away, and repeats only what is safe to repeat.
 */
export class Transport {
  readonly endpoints: readonly string[];
  readonly #options: ConnectOptions;
  readonly #deadlineMs: number;
  readonly #members = new Map<string, MemberTransport>();
  readonly #credentials: Credentials | undefined;
  readonly #onAbort = (): void => {
    for (const member of this.#members.values()) member.cancelAll();
  };
  #preferred: string;
  #token: Promise<string> | undefined;
  #closed = false;

  constructor(endpoints: readonly string[], options: ConnectOptions) {
    this.endpoints = endpoints;
    this.#options = options;
    this.#deadlineMs = options.deadlineMs ?? 10_000;
    this.#credentials = options.credentials;
    this.#preferred = endpoints[0]!;
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  get credentials(): Credentials | undefined {
    return this.#credentials;
  }

  /** The member that requests go to first. */
  get preferred(): string {
    return this.#preferred;
  }

  /** Sends a request to whichever member answers, the one that answered last first. */
  async request<Answer>(call: Call): Promise<Answer> {
    const giveUpAt = performance.now() + 2 * this.#deadlineMs;
    let pause = 50;
    for (let attempt = 1; ; attempt += 1) {
      this.#options.signal?.throwIfAborted();
      const endpoint = this.#preferred;
      try {
        return (await this.#withSession(endpoint, call)) as Answer;
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        // Also after a write that is not sent again: the next request must not wait for the same member.
        if (isPassing(error)) this.leave(endpoint);
        const again = isNotSent(error) || (call.repeatable === 'read' && this.#mayAnswer(error));
        const tried = attempt >= patience * this.endpoints.length || performance.now() > giveUpAt;
        if (!again || this.#closed || tried) throw asEtcdError(error, endpoint, this.#deadlineMs);
        if (attempt % this.endpoints.length === 0) {
          await sleep(pause);
          pause *= 4;
        }
      }
    }
  }

  /** Whether a read that failed is worth another try. A member that was waited for in vain is not asked twice. */
  #mayAnswer(error: unknown): boolean {
    return isPassing(error) && !(isTimeout(error) && this.endpoints.length === 1);
  }

  /** From now on another member is asked first, if this one was. */
  leave(endpoint: string): void {
    if (this.#preferred !== endpoint) return;
    const next = (this.endpoints.indexOf(endpoint) + 1) % this.endpoints.length;
    this.#preferred = this.endpoints[next]!;
  }

  /** Sends a request to that member alone. */
  async requestOf<Answer>(endpoint: string, call: Call): Promise<Answer> {
    try {
      return (await this.#withSession(endpoint, call)) as Answer;
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw asEtcdError(error, endpoint, this.#deadlineMs);
    }
  }

  /** Opens a stream on that member. The session is proven first: a stream cannot renew it. */
  async openServerStream(
    endpoint: string,
    service: Service,
    method: string,
    payload: object,
  ): Promise<ClientReadableStream<unknown>> {
    this.throwIfAborted();
    return this.#member(endpoint).serverStream(service, method, payload, await this.#provenToken(endpoint));
  }

  /** As `openServerStream`, on whichever member answers. */
  async openDuplex(service: Service, method: string): Promise<ClientDuplexStream<unknown, unknown>> {
    const token = await this.#provenToken();
    return this.#member(this.#preferred).duplex(service, method, token);
  }

  throwIfAborted(): void {
    this.#options.signal?.throwIfAborted();
  }

  failureOf(error: unknown, endpoint = this.#preferred): unknown {
    return asEtcdError(error, endpoint, this.#deadlineMs);
  }

  close(): void {
    this.#closed = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    for (const member of this.#members.values()) member.close();
  }

  /** A request whose session has ended was not applied, so it may be sent once more whatever it is. */
  async #withSession(endpoint: string, call: Call): Promise<unknown> {
    for (let renewals = 0; ; renewals += 1) {
      const session = await this.#session(endpoint, call);
      const used = this.#token;
      try {
        return await this.#member(endpoint).unary(call, session);
      } catch (error) {
        // etcd3 renews without a bound, and knows one of the three messages only.
        if (session === undefined || !isTokenEnded(error) || renewals >= 3) throw error;
        // Of many requests whose session ended together, only the first asks for a new one.
        if (this.#token === used) this.#token = undefined;
      }
    }
  }

  async #session(endpoint: string, call: Call): Promise<string | undefined> {
    if (this.#credentials === undefined || call.method === 'authenticate') return undefined;
    this.#token ??= this.#logIn(endpoint, this.#credentials);
    const token = this.#token;
    try {
      return await token;
    } catch (error) {
      if (this.#token === token) this.#token = undefined;
      throw error;
    }
  }

  async #logIn(endpoint: string, credentials: Credentials): Promise<string> {
    const payload = { name: credentials.username, password: credentials.password };
    const call: Call = { service: 'Auth', method: 'authenticate', payload, repeatable: 'read' };
    const answer = (await this.#member(endpoint).unary(call, undefined)) as { token: string };
    return answer.token;
  }

  async #provenToken(endpoint = this.#preferred): Promise<string | undefined> {
    if (this.#credentials === undefined) return undefined;
    const probe = { key: Buffer.from('/sensu.io/'), limit: 1, keys_only: true, count_only: true };
    const call: Call = { service: 'KV', method: 'range', payload: probe, repeatable: 'read' };
    try {
      await this.#withSession(endpoint, call);
    } catch (error) {
      // A user who may not read there is known all the same.
      if (!isDenied(error)) throw asEtcdError(error, endpoint, this.#deadlineMs);
    }
    return this.#token;
  }

  #member(endpoint: string): MemberTransport {
    const known = this.#members.get(endpoint);
    if (known !== undefined) return known;
    const member = new MemberTransport(endpoint, this.#options, this.#deadlineMs);
    this.#members.set(endpoint, member);
    return member;
  }
}
