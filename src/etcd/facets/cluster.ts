import type { Revision } from '../../store/view.js';

export interface Member {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface PassedOver {
  readonly endpoint: string;
  readonly reason: string;
}

/** What the endpoints of a connection lead to, as it was when the connection was made. */
export interface Cluster {
  /** Undefined where auth is on and nobody has logged in. */
  readonly id: bigint | undefined;
  /** As the cluster itself knows them; empty where that is not told. */
  readonly members: readonly Member[];
  /** One endpoint for each voting member that answers, in the order given. */
  readonly voters: readonly string[];
  /** True when no member that answers has a leader. */
  readonly leaderless: boolean;
  /** Endpoints of learners: they serve nothing that this program wants. */
  readonly learners: readonly string[];
  /** Those, and endpoints that do not answer. */
  readonly passedOver: readonly PassedOver[];
  /** Members that no endpoint leads to. */
  readonly unnamed: readonly Member[];
  /** All that were given, in one form. */
  readonly endpoints: readonly string[];
}

export interface MemberStatus {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** Server version, such as `3.5.16`. */
  readonly version: string;
  readonly revision: Revision;
  readonly raftTerm: bigint;
  readonly raftIndex: bigint;
  readonly raftAppliedIndex: bigint;
  /** 0n while the cluster has no leader. */
  readonly leader: bigint;
  readonly isLearner: boolean;
  /** Bytes of the database file, and of those the part in use. */
  readonly dbSize: bigint;
  readonly dbSizeInUse: bigint;
  readonly errors: readonly string[];
}

/** The ways in that a connection was given. */
export interface Reached {
  readonly endpoints: readonly string[];
}

/** What was found behind them when the connection was made. */
export interface Surveyed extends Reached {
  readonly cluster: Cluster;
}

/** The members as they are now. */
export interface Members extends Reached {
  members(): Promise<readonly Member[]>;
  /** Asked of that one endpoint, which must be among `endpoints` or a member's client URL. */
  status(endpoint: string): Promise<MemberStatus>;
}
