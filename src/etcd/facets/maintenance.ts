import type { Revision } from '../../store/view.js';

export interface Alarm {
  readonly memberId: bigint;
  readonly type: 'NOSPACE' | 'CORRUPT';
}

export interface Alarms {
  alarms(): Promise<readonly Alarm[]>;
}

export interface Snapshots {
  /**
   * The bytes of a snapshot, the 32 bytes of etcd's sha256 trailer included, from that one endpoint. A part is valid
   * until the next is asked for.
   */
  snapshot(endpoint: string): AsyncIterable<Buffer>;
}

export interface Maintenance extends Alarms, Snapshots {
  compact(revision: Revision): Promise<void>;
}
