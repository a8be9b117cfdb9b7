import { formatBytes, formatCount, formatCounted, formatId } from '../../core/units.js';
import { showKey } from '../../sensu/keys/key-name.js';
import { apiKeyHint } from '../../sensu/keys/values.js';
import type { NamedApiKey, StoreContents } from '../../at-rest/contents.js';
import type { EtcdFacts, Inspection, ReplayFacts } from '../../snapshot/open/inspect.js';
import { describeDoubt, entriesOf } from './stopped-members.js';
import { apart, table } from './table.js';
import type { Manifest } from '../../snapshot/archive/manifest.js';

/** An inspection for a person. API keys are shortened to a hint unless `showSecrets`. */
export function describeInspection(inspection: Inspection, showSecrets: boolean): readonly string[] {
  const { contents, etcd } = inspection;
  const sections = [
    [describeFile(inspection), ...facts(inspection), ...warnings(inspection)],
    table(
      [
        { head: 'PREFIX' },
        { head: 'KEYS', numeric: true },
        { head: 'BYTES', numeric: true },
        { head: 'LEASED', numeric: true },
      ],
      contents.prefixes.map(({ prefix, keys, bytes, leasedKeys }) => [
        showKey(Buffer.from(prefix)),
        formatCount(keys),
        formatBytes(bytes),
        leasedKeys === 0 ? '' : formatCount(leasedKeys),
      ]),
    ),
    table([{ head: 'USER' }, { head: 'GROUPS' }, { head: '' }], contents.users.map(userRow)),
    table(
      [{ head: 'API KEY' }, { head: 'OWNER' }, { head: 'CREATED' }],
      contents.apiKeys.map((key) => apiKeyRow(key, showSecrets)),
    ),
    table([{ head: 'ETCD MEMBER' }, { head: 'ID' }, { head: 'PEER URLS' }], etcd.members.map(memberRow)),
  ];
  return apart(sections.filter((lines) => lines.length > 0));
}

const kindNames: Readonly<Record<Inspection['kind'], string>> = {
  archive: 'archive of sensu-ferry',
  snapshot: 'etcd snapshot',
  'data-directory': 'stopped data directory',
};

function describeFile({ path, kind, size, hashChecked }: Inspection): string {
  const check = hashChecked ? ', sha256 checked' : kind === 'snapshot' ? ', has no sha256 to check' : '';
  return `${path}: ${kindNames[kind]}${size === undefined ? '' : `, ${formatBytes(size)}`}${check}`;
}

function facts(inspection: Inspection): readonly string[] {
  const { contents, etcd, manifest, replay, status } = inspection;
  const { digest } = contents;
  const rows: [string, string][] = [
    [
      'Sensu',
      `cluster ${contents.sensuClusterId ?? 'unknown'}, database version ${contents.databaseVersion ?? 'unknown'}`,
    ],
    [
      'Content',
      `${formatCounted(contents.keys, 'key')}, ${formatBytes(contents.bytes)}, ` +
        `${formatCounted(contents.leases, 'lease')} on ${formatCounted(contents.leasedKeys, 'key')}`,
    ],
    ['Digest', `lasting ${digest.lasting}`],
    ['', `ephemeral ${digest.ephemeral}`],
    ['etcd', etcdFacts(etcd)],
  ];
  if (status !== undefined) {
    const { hash, totalKey, totalSize } = status;
    const words = `hash ${hash.toString(16)}, revision ${status.revision}, ${formatCounted(totalKey, 'entry', 'entries')}, ${formatBytes(totalSize)}`;
    rows.push(['etcdutl', words]);
  }
  if (manifest !== undefined) {
    const { memberName, version } = manifest.etcd;
    rows.push(['Taken', `${manifest.createdAt} from ${memberName} (etcd ${version})`]);
    rows.push(['', `etcd snapshot of ${formatBytes(manifest.plain.size)}, sha256 ${manifest.plain.sha256}`]);
    if (manifest.encrypted !== undefined) rows.push(['Cipher', cipherOf(manifest.encrypted)]);
  }
  if (replay !== undefined) rows.push(['WAL', replayWords(replay, etcd)]);
  return rows.map(([name, words]) => `  ${name.padEnd(8)} ${words}`);
}

function etcdFacts(etcd: EtcdFacts): string {
  const parts = [
    `revision ${etcd.revision}`,
    etcd.compactedRevision > 0n ? `compacted to ${etcd.compactedRevision}` : 'never compacted',
    etcd.clusterVersion === undefined ? undefined : `cluster version ${etcd.clusterVersion}`,
    etcd.storageVersion === undefined ? undefined : `storage version ${etcd.storageVersion}`,
    `auth ${etcd.authEnabled ? 'on' : 'off'}`,
    etcd.users.length > 0 ? `users ${etcd.users.join(' ')}` : undefined,
    etcd.roles.length > 0 ? `roles ${etcd.roles.join(' ')}` : undefined,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

function replayWords({ dbRevision, entries }: ReplayFacts, etcd: EtcdFacts): string {
  if (entries === 0) return 'adds nothing: the db file is complete';
  const behind = etcd.revision - dbRevision;
  return `${entriesOf(entries)} replayed; a copy of the db file alone would lack ${formatCounted(behind, 'revision')}`;
}

function warnings({ contents, etcd, replay }: Inspection): readonly string[] {
  const words: string[] = etcd.alarms.map(
    ({ memberId, type }) => `the alarm ${type} of member ${formatId(memberId)} is on`,
  );
  if (contents.outsideRoot > 0) {
    words.push(
      formatCounted(
        contents.outsideRoot,
        "key lies outside /sensu.io/ and is not Sensu's",
        "keys lie outside /sensu.io/ and are not Sensu's",
      ),
    );
  }
  if (contents.unreadable.length > 0) {
    words.push(`not readable: ${contents.unreadable.join(', ')}`);
  }
  if (replay?.useUnknown !== undefined) {
    words.push(`it could not be told whether an etcd runs on it: ${replay.useUnknown}`);
  }
  if (replay?.torn === true)
    words.push('the last write of the WAL was cut short, and is left out as etcd does');
  if (replay !== undefined && replay.leftOut > 0) {
    words.push(`${entriesOf(replay.leftOut)} at the end of the WAL, not known to be agreed on, left out`);
  }
  const doubt = replay && describeDoubt(replay.agreement);
  if (doubt !== undefined) words.push(doubt);
  return words.map((sentence) => `  warning: ${sentence}`);
}

function userRow({ username, groups, disabled, hasPassword }: StoreContents['users'][number]): string[] {
  const remarks = [disabled ? 'disabled' : '', hasPassword ? '' : 'no password'].filter(
    (word) => word !== '',
  );
  return [username, groups.join(', '), remarks.join(', ')];
}

function apiKeyRow({ name, owner, createdAt }: NamedApiKey, showSecrets: boolean): string[] {
  return [showSecrets ? name : apiKeyHint(name), owner, dateOf(createdAt)];
}

function memberRow({ id, name, peerUrls, isLearner }: EtcdFacts['members'][number]): string[] {
  return [`${name || '(not started)'}${isLearner ? ' (learner)' : ''}`, formatId(id), peerUrls.join(' ')];
}

/** The day; nothing for a number that is no time. */
function dateOf(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000);
  return seconds <= 0n || Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(0, 10);
}

/** The same for `--json`: ids in hex, other numbers of 64 bits in decimal, as strings. */
export function inspectionJson(inspection: Inspection, showSecrets: boolean): unknown {
  const { contents, etcd, replay } = inspection;
  return {
    ...inspection,
    contents: {
      ...contents,
      apiKeys: contents.apiKeys.map((key) => ({
        ...key,
        name: showSecrets ? key.name : apiKeyHint(key.name),
        createdAt: String(key.createdAt),
      })),
      revision: String(contents.revision),
    },
    etcd: etcdJson(etcd),
    replay: replay && replayJson(replay),
    status: inspection.status && { ...inspection.status, revision: String(inspection.status.revision) },
  };
}

function etcdJson(etcd: EtcdFacts): unknown {
  return {
    ...etcd,
    revision: String(etcd.revision),
    compactedRevision: String(etcd.compactedRevision),
    consistentIndex: etcd.consistentIndex === undefined ? undefined : String(etcd.consistentIndex),
    members: etcd.members.map((member) => ({ ...member, id: formatId(member.id) })),
    alarms: etcd.alarms.map((alarm) => ({ ...alarm, memberId: formatId(alarm.memberId) })),
  };
}

function replayJson({ agreement, ...replay }: ReplayFacts): unknown {
  return {
    ...replay,
    voters: agreement.voters ?? null,
    doubt: agreement.doubt ?? null,
    dbRevision: String(replay.dbRevision),
    toIndex: String(replay.toIndex),
    memberId: replay.memberId === undefined ? undefined : formatId(replay.memberId),
    clusterId: replay.clusterId === undefined ? undefined : formatId(replay.clusterId),
  };
}

function cipherOf(encrypted: NonNullable<Manifest['encrypted']>): string {
  return 'passphrase' in encrypted ? 'age, with a passphrase' : `age, for ${encrypted.recipients.join(', ')}`;
}
