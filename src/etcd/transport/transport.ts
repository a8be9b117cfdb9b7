import type { ClientDuplexStream } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import { sensuRoot, singleKey } from '../../store/sensu-root.js';
import type { ConnectOptions, Credentials } from '../connect-options.js';
import type { Cluster } from '../facets/cluster.js';
import { refusedByName } from '../client-certificate.js';
import { describeQuorum } from '../cluster.js';
import {
  asEtcdError,
  isDenied,
  isLeaderless,
  isNotSent,
  isPassing,
  isTimeout,
  isTokenEnded,
  noLeader,
} from '../errors.js';
import type { Http2Call } from './http2-channel.js';
import type { Call, DirectCall, Etcd3Call, Service } from './call.js';
import { MemberTransport, type Door } from './member-transport.js';
import { authenticateCall, rangeCall, readToken } from './messages.js';

const patience = 3;
/** How long a member may take to say which cluster it belongs to: it knows that by heart. */
const askMs = 4000;

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
  /** The endpoints that requests may go to, one after the other. */
  #rotation: readonly string[];
  #cluster: Cluster | undefined;
  #preferred: string;
  #token: Promise<string> | undefined;
  #closed = false;

  constructor(endpoints: readonly string[], options: ConnectOptions) {
    this.endpoints = endpoints;
    this.#options = options;
    this.#deadlineMs = options.deadlineMs ?? 10_000;
    this.#credentials = options.credentials;
    this.#rotation = endpoints;
    this.#preferred = endpoints[0]!;
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  get credentials(): Credentials | undefined {
    return this.#credentials;
  }

  /** Members that answer and are no learners. */
  get voters(): readonly string[] {
    return this.#cluster?.voters ?? this.endpoints;
  }

  /** The member that requests go to first. */
  get preferred(): string {
    return this.#preferred;
  }

  /** From now on requests go to those that answer first, and to no learner. */
  useCluster(cluster: Cluster): void {
    const { voters, learners } = cluster;
    const rest = this.endpoints.filter((url) => !voters.includes(url) && !learners.includes(url));
    this.#cluster = cluster;
    this.#rotation = [...voters, ...rest];
    this.#preferred = this.#rotation[0]!;
  }

  /** Sends a request to whichever member answers, the one that answered last first. */
  async request(call: DirectCall): Promise<Buffer>;
  async request<Answer>(call: Etcd3Call): Promise<Answer>;
  async request(call: Call): Promise<unknown> {
    const giveUpAt = performance.now() + 2 * this.#deadlineMs;
    let pause = 50;
    let leaderless: unknown;
    for (let attempt = 1; ; attempt += 1) {
      this.#options.signal?.throwIfAborted();
      const endpoint = this.#preferred;
      try {
        return await this.#withSession(endpoint, call);
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        if (isLeaderless(error)) leaderless ??= error;
        // Also after a write that is not sent again: the next request must not wait for the same member.
        if (isPassing(error)) this.leave(endpoint);
        const again = isNotSent(error) || (call.repeatable === 'read' && this.#mayAnswer(error));
        const tried = attempt >= patience * this.#rotation.length || performance.now() > giveUpAt;
        if (!again || this.#closed || tried) {
          // What the members say that are up explains more than that others are down.
          throw this.#errorOf(isPassing(error) ? (leaderless ?? error) : error, endpoint, call);
        }
        if (attempt % this.#rotation.length === 0) {
          await sleep(pause);
          pause *= 4;
        }
      }
    }
  }

  /** Whether a read that failed is worth another try. A member that was waited for in vain is not asked twice. */
  #mayAnswer(error: unknown): boolean {
    return isPassing(error) && !(isTimeout(error) && this.#rotation.length === 1);
  }

  /** From now on another member is asked first, if this one was. */
  leave(endpoint: string): void {
    if (this.#preferred !== endpoint) return;
    const next = (this.#rotation.indexOf(endpoint) + 1) % this.#rotation.length;
    this.#preferred = this.#rotation[next]!;
  }

  /** Sends a request to that member alone. */
  async requestOf(endpoint: string, call: DirectCall): Promise<Buffer> {
    try {
      return (await this.#withSession(endpoint, call)) as Buffer;
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw this.#errorOf(error, endpoint, call);
    }
  }

  /** Asks one member who it is, before it is known whether requests may go to it; with a session where one is given. */
  async ask(door: Door, call: DirectCall, token?: string): Promise<Buffer> {
    const askedFor = Math.min(askMs, this.#deadlineMs);
    try {
      return (await this.#member(door).unary(call, token, askedFor)) as Buffer;
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw asEtcdError(error, door.endpoint, askedFor);
    }
  }

  /** A session of that member's own: another one may not know of it yet, or belong to another cluster. */
  async logInAt(door: Door): Promise<string> {
    const token = readToken(await this.ask(door, authenticateCall(this.#credentials!)));
    this.#token ??= Promise.resolve(token);
    return token;
  }

  /** Proves the credentials, if there are any, with whichever member answers. */
  async tokenIfAny(): Promise<string | undefined> {
    if (this.#credentials === undefined) return undefined;
    if (this.#token === undefined) {
      const token = readToken(await this.request(authenticateCall(this.#credentials)));
      this.#token = Promise.resolve(token);
    }
    return this.#token;
  }

  /** Opens a stream on that member. The session is proven first: a stream cannot renew it. */
  async openServerStream(endpoint: string, path: string, message: Buffer): Promise<Http2Call> {
    this.throwIfAborted();
    return this.#member({ endpoint }).serverStream(path, message, await this.#provenToken(endpoint));
  }

  /** As `openServerStream`, on whichever member answers. */
  async openDuplex(service: Service, method: string): Promise<ClientDuplexStream<unknown, unknown>> {
    const token = await this.#provenToken();
    return this.#member({ endpoint: this.#preferred }).duplex(service, method, token);
  }

  /** Makes the next request log in again. False without a session. */
  endSession(): boolean {
    this.#token = undefined;
    return this.#credentials !== undefined;
  }

  throwIfAborted(): void {
    this.#options.signal?.throwIfAborted();
  }

  failureOf(error: unknown, endpoint = this.#preferred): unknown {
    const quorum = this.#cluster && describeQuorum(this.#cluster);
    if (quorum !== undefined && isLeaderless(error)) return noLeader(quorum, error);
    return asEtcdError(error, endpoint, this.#deadlineMs);
  }

  /** Questions about users may find none, whoever asks. */
  #errorOf(error: unknown, endpoint: string, call: Call): unknown {
    const failure = this.failureOf(error, endpoint);
    const isNamed = this.#credentials !== undefined || ('service' in call && call.service === 'Auth');
    return isNamed ? failure : refusedByName(failure, this.#options.tls ?? {});
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
        return await this.#member({ endpoint }).unary(call, session);
      } catch (error) {
        // etcd3 renews without a bound, and knows one of the three messages only.
        if (session === undefined || !isTokenEnded(error) || renewals >= 3) throw error;
        // Of many requests whose session ended together, only the first asks for a new one.
        if (this.#token === used) this.#token = undefined;
      }
    }
  }

  async #session(endpoint: string, call: Call): Promise<string | undefined> {
    if (this.#credentials === undefined || call.anonymous === true) return undefined;
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
    return readToken(
      (await this.#member({ endpoint }).unary(authenticateCall(credentials), undefined)) as Buffer,
    );
  }

  async #provenToken(endpoint = this.#preferred): Promise<string | undefined> {
    if (this.#credentials === undefined) return undefined;
    try {
      await this.#withSession(endpoint, rangeCall({ ...singleKey(sensuRoot.start), countOnly: true }));
    } catch (error) {
      // A user who may not read there is known all the same.
      if (!isDenied(error)) throw this.failureOf(error, endpoint);
    }
    return this.#token;
  }

  #member(door: Door): MemberTransport {
    const name = `${door.endpoint} ${door.address ?? ''}`;
    const known = this.#members.get(name);
    if (known !== undefined) return known;
    const member = new MemberTransport(door, this.#options, this.#deadlineMs);
    this.#members.set(name, member);
    return member;
  }
}
