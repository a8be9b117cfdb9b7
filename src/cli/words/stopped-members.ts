import { formatBytes, formatCount, formatCounted } from '../../core/units.js';
import type { Agreement } from '../../etcd-files/data-directory/agreement.js';
import type { Reporter } from '../../core/context.js';
import type { LaggingMember, StoppedMember, StoppedMembers } from '../../at-rest/stopped-members.js';

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

export function describeLag({ name, path, revision, behind }: LaggingMember): string {
  const who = `${name} (${path})`;
  if (behind.entries === 0n) return `${who} is level with it`;
  const entries = `${entriesOf(behind.entries)} of the log`;
  if (behind.revisions === 0n) return `${who} lags by ${entries}, at the same revision ${revision}`;
  return `${who} lags by ${entries} and ${formatCounted(behind.revisions, 'revision')}, at revision ${revision}`;
}

export const entriesOf = (count: number | bigint): string => formatCounted(count, 'entry', 'entries');

/** Why a write that was acknowledged may be missing; undefined when none is. */
export function describeDoubt({ doubt, voters }: Agreement): string | undefined {
  switch (doubt) {
    case undefined:
      return undefined;
    case 'few-voters':
      return `A write that was acknowledged shortly before the stop may be missing: ${given(voters)}, and only the logs of a majority together hold every such write. Give the data directories of the other members too, each with --data-dir.`;
    case 'voters-unknown':
      return 'A write that was acknowledged shortly before the stop may be missing: neither the log nor a .snap file says who votes. Only what the log records as agreed counts.';
    case 'older-copies':
      return `Writes that were acknowledged may be missing: one of the directories records entries as agreed that a majority of the voters lacks (${given(voters)}). So the others are older copies, or lost what they had. Give the directories that the members ran on last.`;
  }
}

function given(voters: Agreement['voters']): string {
  const { given: count = 0, all = 0 } = voters ?? {};
  if (all === 1 && count === 0) return 'the one voting member is not here';
  return `${formatCount(count)} of the ${formatCount(all)} voting members ${count === 1 ? 'is' : 'are'} here`;
}

/** @returns whether there was anything that needs the operator's eyes */
export function warnOfStopped(members: StoppedMembers, report: Reporter): boolean {
  const { directory, newest, others, agreement, passedOver } = members;
  for (const { path: broken, reason } of passedOver) report.warn(`${broken} is passed over: ${reason}`);
  const { useUnknown, replayed } = directory;
  const { tornTail } = replayed;
  if (tornTail !== undefined) {
    const { path: file, offset, bytes } = tornTail;
    report.warn(
      `${file} is used up to byte ${offset}, raft entry ${replayed.toIndex}: the ${formatBytes(bytes)} after it were cut short, as by a power cut, and are left out as etcd does.`,
    );
  }
  for (const member of [newest, ...others]) {
    if (member.leftOut > 0n) report.info(describeLeftOut(member));
  }
  const doubt = describeDoubt(agreement);
  if (doubt !== undefined) report.warn(doubt);
  return passedOver.length > 0 || useUnknown !== undefined || tornTail !== undefined || doubt !== undefined;
}

function describeLeftOut({ path, leftOut }: StoppedMember): string {
  return `${entriesOf(leftOut)} at the end of the log of ${path}, not known to be agreed on, left out.`;
}

/** The same for `--json`. */
export function stoppedJson({ directory, newest, others, agreement, passedOver }: StoppedMembers): object {
  const { dbRevision, replayed } = directory;
  const { entries, toIndex, beyondCommit, tornTail } = replayed;
  return {
    member: { name: newest.name, dataDir: newest.path, leftOut: Number(newest.leftOut) },
    replayed: {
      entries,
      dbRevision: String(dbRevision),
      toIndex: String(toIndex),
      beyondCommit,
      tornTail: tornTail ?? null,
    },
    voters: agreement.voters ?? null,
    doubt: agreement.doubt ?? null,
    others: others.map(({ name, path, revision, behind, leftOut }) => ({
      ...{ name, dataDir: path, revision: String(revision), leftOut: Number(leftOut) },
      behind: { revisions: String(behind.revisions), entries: String(behind.entries) },
    })),
    passedOver: passedOver.map(({ path, reason }) => ({ dataDir: path, reason })),
  };
}
