import { formatBytes, formatCount } from '../core/units.js';
import type { Reporter } from '../core/context.js';
import type { LaggingMember, StoppedMembers } from '../snapshot/stopped-members.js';

/** What the log of the chosen member has given, and by how much the others are behind it. */
export function describeStopped({ directory, newest, others }: StoppedMembers): readonly string[] {
  const { dbRevision, replayed } = directory;
  const { entries } = replayed;
  const log =
    entries === 0
      ? 'its log adds nothing to its db file'
      : `${entriesOf(entries)} of its log replayed; its db file alone ends at revision ${dbRevision}`;
  return [
    `${newest.name} (${newest.path}) is at revision ${newest.revision}: ${log}`,
    ...others.map(describeLag),
  ];
}

function describeLag({ name, path, revision, behind }: LaggingMember): string {
  const who = `${name} (${path})`;
  if (behind.entries === 0n) return `${who} is level with it`;
  const revisions = `${formatCount(behind.revisions)} ${behind.revisions === 1n ? 'revision' : 'revisions'}`;
  return `${who} lags by ${entriesOf(behind.entries)} of the log and ${revisions}, at revision ${revision}`;
}

const entriesOf = (count: number | bigint): string =>
  BigInt(count) === 1n ? '1 entry' : `${formatCount(count)} entries`;

/** @returns whether there was anything that needs the operator's eyes */
export function warnOfStopped({ directory, passedOver }: StoppedMembers, report: Reporter): boolean {
  const { path, useUnknown, replayed } = directory;
  for (const { path: broken, reason } of passedOver) report.warn(`${broken} is passed over: ${reason}`);
  if (useUnknown !== undefined) {
    report.warn(`Make sure that nothing runs on ${path}: that cannot be told here, as ${useUnknown}.`);
  }
  const { tornTail, beyondCommit } = replayed;
  if (tornTail !== undefined) {
    const { path: file, offset, bytes } = tornTail;
    report.warn(
      `${file} is used up to byte ${offset}, raft entry ${replayed.toIndex}: the ${formatBytes(bytes)} after it were cut short, as by a power cut, and are left out as etcd does.`,
    );
  }
  if (beyondCommit.entries > 0 && !beyondCommit.applied) {
    report.info(
      `${entriesOf(beyondCommit.entries)} at the end of the log of ${path}, not known to be agreed on, left out.`,
    );
  }
  return passedOver.length > 0 || useUnknown !== undefined || tornTail !== undefined;
}

/** The same for `--json`. */
export function stoppedJson({ directory, newest, others, passedOver }: StoppedMembers): object {
  const { dbRevision, replayed } = directory;
  const { entries, toIndex, beyondCommit, tornTail } = replayed;
  return {
    member: { name: newest.name, dataDir: newest.path },
    replayed: {
      entries,
      dbRevision: String(dbRevision),
      toIndex: String(toIndex),
      beyondCommit,
      tornTail: tornTail ?? null,
    },
    others: others.map(({ name, path, revision, behind }) => ({
      ...{ name, dataDir: path, revision: String(revision) },
      behind: { revisions: String(behind.revisions), entries: String(behind.entries) },
    })),
    passedOver: passedOver.map(({ path, reason }) => ({ dataDir: path, reason })),
  };
}
