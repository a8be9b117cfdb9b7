import type { ServerHttpFacts } from '../../etcd/transport/server-http.js';
import { note, type Finding } from '../findings.js';

export const compactionFlags = '--auto-compaction-mode revision --auto-compaction-retention 2';

/** etcd shows its compaction settings nowhere; that something was compacted already is all that can be seen. */
export function compaction(http: readonly (ServerHttpFacts | undefined)[]): Finding[] {
  if (http.some((facts) => facts?.hasCompacted)) return [];
  return [
    note(
      'COMPACTION',
      'Nothing was compacted on the target yet. The embedded etcd kept 2 revisions and compacted every 5 minutes by itself; an external etcd does not unless told to.',
      `Start the external members with ${compactionFlags}, if they are not.`,
    ),
  ];
}
