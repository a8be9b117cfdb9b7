import type { Reporter } from '../core/context.js';

/** PEM contents, not paths. Without `ca` the system's roots are trusted. */
export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** How to reach a cluster. All endpoints have one scheme; `connect` proves that they lead to members of one cluster. */
export interface ConnectOptions {
  /** `http://host:port` or `https://host:port`; at least one. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles;
  readonly credentials?: Credentials;
  /** Deadline of each unary request; default 10,000 ms. Streams have an idle time-out of the same length. */
  readonly deadlineMs?: number;
  /** Ends every request that is under way. */
  readonly signal?: AbortSignal;
  /** Told what `connect` has found out about the cluster and the way to it. */
  readonly report?: Pick<Reporter, 'info' | 'warn'>;
}
