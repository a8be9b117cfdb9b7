export type Service = 'KV' | 'Lease' | 'Watch' | 'Auth' | 'Cluster' | 'Maintenance';

interface CallTraits {
  /** Whether a request may be sent again when nobody knows whether it was applied. */
  readonly repeatable: 'read' | 'write';
  /** Some requests work without a leader, and must: the status of a member is one. */
  readonly needsLeader?: boolean;
  /** Sent without a session: the request for one. */
  readonly anonymous?: boolean;
}

/** Sent by etcd3, which knows every message of etcd. */
export interface Etcd3Call extends CallTraits {
  readonly service: Service;
  readonly method: string;
  readonly payload: object;
}

/** Sent as it is; what comes back is for the caller to read. */
export interface DirectCall extends CallTraits {
  readonly path: string;
  readonly message: Buffer;
}

export type Call = Etcd3Call | DirectCall;
