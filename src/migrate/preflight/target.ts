import type { Context } from '../../core/context.js';
import { formatBytes, formatId } from '../../core/units.js';
import type { Alarms } from '../../etcd/facets/maintenance.js';
import type { EtcdClient } from '../../etcd/client.js';
import type { TlsFiles } from '../../etcd/connect-options.js';
import type { Cluster, Member, MemberStatus, Members, PassedOver } from '../../etcd/facets/cluster.js';
import { readServerHttpFacts, type ServerHttpFacts } from '../../etcd/transport/server-http.js';
import { isAtLeast } from '../../etcd/version.js';
import { sensuRoot } from '../../store/sensu-root.js';
import { note, refusal, warning, type Finding } from '../findings.js';
import { lookAtStanding, standingFindings } from '../target-standing.js';
import { compaction } from './compaction.js';
import { memberCount } from './member-count.js';
import type { SourceFacts } from './source.js';

export interface TargetFacts {
  readonly clusterId: bigint;
  readonly members: readonly Member[];
  readonly versions: readonly string[];
  readonly authEnabled: boolean;
  readonly keys: bigint;
}

export interface TargetWishes {
  readonly tls: TlsFiles;
  readonly enableAuth: boolean;
  /** The operator has chosen to go without. */
  readonly withoutAuth: boolean;
  readonly hasRootPassword: boolean;
  /** How much of the store that is, only a full reading would tell. */
  readonly configOnly: boolean;
}

/** Sensu's own embedded default; etcd's default of 2 GiB is half of it. */
const sensuQuota = 4 * 1024 ** 3;

/** Without the source's facts, what both sides must be compared for is left out. */
export async function inspectTarget(
  context: Context,
  client: EtcdClient,
  source: SourceFacts | undefined,
  wishes: TargetWishes,
): Promise<{ readonly facts: TargetFacts; readonly findings: readonly Finding[] }> {
  const members = await client.members();
  const away = awayEndpoints(client.cluster);
  const answering = client.endpoints.filter((endpoint) => !away.some((other) => other.endpoint === endpoint));
  const statuses = await Promise.all(answering.map((endpoint) => client.status(endpoint)));
  const facts: TargetFacts = {
    clusterId: statuses[0]!.clusterId,
    members,
    versions: [...new Set(statuses.map((status) => status.version))],
    authEnabled: await client.auth.enabled(),
    keys: (await client.range({ ...sensuRoot, countOnly: true })).count,
  };
  const http = await Promise.all(
    client.endpoints.map((endpoint) => readServerHttpFacts(endpoint, wishes.tls)),
  );
  return {
    facts,
    findings: [
      ...identity(facts, source),
      ...away.map(memberAway),
      ...notNamed(client.cluster),
      ...versions(facts),
      ...health(statuses),
      ...(await alarms(client)),
      ...(await reachability(client, members)),
      ...(source ? standingFindings(await lookAtStanding(context, client, source)) : []),
      ...quota(http, wishes.configOnly ? undefined : source, usedByOthers(facts, statuses)),
      ...clock(http),
      ...authentication(facts, wishes),
      ...compaction(http),
      ...memberCount(members),
    ],
  };
}

function awayEndpoints({ learners, passedOver }: Cluster): readonly PassedOver[] {
  return passedOver.filter(({ endpoint }) => !learners.includes(endpoint));
}

function memberAway({ endpoint, reason }: PassedOver): Finding {
  return {
    ...refusal(
      'TARGET_MEMBER_AWAY',
      `The member of the target at ${endpoint} does not take part: ${reason}.`,
      'Bring it to health, or leave it out of --endpoints, which become those of the backend.',
    ),
    kind: 'unreachable',
  };
}

function notNamed({ unnamed }: Cluster): Finding[] {
  if (unnamed.length === 0) return [];
  const urls = unnamed.map(({ name, clientUrls }) => `${name} (${clientUrls.join(' ')})`).join(', ');
  return [
    note(
      'TARGET_MEMBERS_NOT_NAMED',
      `Members of the target that --endpoints does not name: ${urls}.`,
      'Name them too, so that the backend can go on when a member is away.',
    ),
  ];
}

function identity(facts: TargetFacts, source: SourceFacts | undefined): Finding[] {
  const findings: Finding[] = [];
  if (facts.clusterId === source?.etcdClusterId) {
    findings.push(
      refusal(
        'TARGET_IS_SOURCE',
        `The target is the embedded etcd itself (cluster ${formatId(facts.clusterId)}).`,
        'Give the client URLs of the external etcd with --endpoints.',
      ),
    );
  }
  return findings;
}

/** Sensu's documentation: at least 3.3.2, tested against 3.5, 3.4.0 may be slower. */
function versions(facts: TargetFacts): Finding[] {
  return facts.versions.flatMap((version) => {
    if (!isAtLeast(version, [3, 3, 2])) {
      return [
        refusal(
          'TARGET_TOO_OLD',
          `The target runs etcd ${version}, and Sensu needs at least 3.3.2.`,
          'Upgrade the external etcd, best to a release of 3.5.',
        ),
      ];
    }
    if (version === '3.4.0') {
      return [warning('TARGET_SLOW', 'etcd 3.4.0 is known to be slow under Sensu.', 'Use a later release.')];
    }
    return [];
  });
}

function health(statuses: readonly MemberStatus[]): Finding[] {
  return statuses.flatMap((status) => {
    const findings: Finding[] = [];
    if (status.leader === 0n) {
      findings.push(
        refusal(
          'TARGET_WITHOUT_LEADER',
          `Member ${formatId(status.memberId)} of the target sees no leader.`,
          'Bring the external cluster to health first: etcdctl endpoint health.',
        ),
      );
    }
    if (status.isLearner) {
      findings.push(
        refusal(
          'TARGET_IS_LEARNER',
          `Member ${formatId(status.memberId)} of the target is a learner, which serves no writes.`,
          'Promote it with etcdctl member promote, or leave it out of --endpoints.',
        ),
      );
    }
    // Alarms and a missing leader have findings of their own, with a remedy.
    const errors = status.errors.filter((error) => !/alarm:|no leader/.test(error));
    if (errors.length > 0) {
      findings.push(
        refusal(
          'TARGET_UNHEALTHY',
          `Member ${formatId(status.memberId)} of the target reports: ${errors.join('; ')}.`,
          'Mend that first.',
        ),
      );
    }
    return findings;
  });
}

async function alarms(client: Alarms): Promise<Finding[]> {
  return (await client.alarms()).map((alarm) =>
    refusal(
      'TARGET_ALARM',
      `The target has a ${alarm.type} alarm of member ${formatId(alarm.memberId)}.`,
      alarm.type === 'NOSPACE'
        ? 'Compact, defragment, raise --quota-backend-bytes, then etcdctl alarm disarm.'
        : 'Replace the corrupt member before anything is put into this cluster.',
    ),
  );
}

/** Backends dial the advertised client URLs (for /health), and operators fail over to them. */
async function reachability(client: Members, members: readonly Member[]): Promise<Finding[]> {
  const urls = [...new Set(members.flatMap((member) => member.clientUrls))].filter(
    (url) => !client.endpoints.includes(url),
  );
  const findings = await Promise.all(
    urls.map(async (url) => {
      try {
        await client.status(url);
        return [];
      } catch {
        return [
          warning(
            'MEMBER_URL_UNREACHABLE',
            `A member of the target advertises ${url}, which cannot be reached from this host.`,
            'Set --advertise-client-urls of that member to a URL that backends reach, or Sensu shows it as unhealthy.',
          ),
        ];
      }
    }),
  );
  return findings.flat();
}

/** Of the fullest member; keys of Sensu there are an earlier copy, whose room is used again. */
function usedByOthers({ keys }: TargetFacts, statuses: readonly MemberStatus[]): number {
  return keys > 0n ? 0 : Math.max(...statuses.map(({ dbSizeInUse }) => Number(dbSizeInUse)));
}

function quota(
  http: readonly (ServerHttpFacts | undefined)[],
  source: SourceFacts | undefined,
  used: number,
): Finding[] {
  const known = http.flatMap((facts) => facts?.quotaBytes ?? []);
  if (known.length === 0) {
    return [
      note(
        'TARGET_QUOTA_UNKNOWN',
        'The target does not show its quota (no /metrics on the client port).',
        'Make sure that it runs with --quota-backend-bytes 4294967296 or more, as the embedded etcd did.',
      ),
    ];
  }
  const smallest = Math.min(...known);
  if (source !== undefined && smallest - used < Number(source.dbSizeInUse) * 1.5) {
    return [
      refusal(
        'TARGET_QUOTA_TOO_SMALL',
        `The target has room for ${formatBytes(Math.max(smallest - used, 0))} within its quota of ${formatBytes(smallest)}, and the store has ${formatBytes(source.dbSizeInUse)}.`,
        'Start the external members with --quota-backend-bytes 4294967296 or more.',
      ),
    ];
  }
  if (smallest >= sensuQuota) return [];
  return [
    warning(
      'TARGET_QUOTA_SMALLER',
      `The target's quota is ${formatBytes(smallest)}; the embedded etcd had 4 GiB unless you set another.`,
      'Start the external members with --quota-backend-bytes 4294967296 or more.',
    ),
  ];
}

const largestSkewMs = 5000;

/** Leases, tokens and certificates are judged by each host's own clock. The Date header is exact to a second. */
function clock(http: readonly (ServerHttpFacts | undefined)[]): Finding[] {
  const skews = http.flatMap((facts) =>
    facts?.date === undefined ? [] : Math.abs(facts.date.getTime() - Date.now()),
  );
  const largest = Math.max(0, ...skews);
  if (largest <= largestSkewMs) return [];
  return [
    warning(
      'CLOCK_SKEW',
      `The clock of a target member is ${Math.round(largest / 1000)} s away from this host's.`,
      'Synchronise the clocks (chrony or systemd-timesyncd).',
    ),
  ];
}

function authentication(facts: TargetFacts, wishes: TargetWishes): Finding[] {
  if (facts.authEnabled && !wishes.hasRootPassword) {
    return [
      refusal(
        'ROOT_PASSWORD_MISSING',
        'The target has auth enabled, and no root password is given.',
        'Add --root-password-file FILE.',
      ),
    ];
  }
  if (!facts.authEnabled && wishes.enableAuth && !wishes.hasRootPassword) {
    return [
      refusal(
        'ROOT_PASSWORD_MISSING',
        'Enabling auth needs a root user, and no root password is given.',
        'Add --root-password-file FILE.',
      ),
    ];
  }
  if (!facts.authEnabled && !wishes.enableAuth && !wishes.withoutAuth) {
    return [
      warning(
        'TARGET_WITHOUT_AUTH',
        'The target has no auth: whoever reaches its client port can read and change everything.',
        'Add --enable-auth --root-password-file FILE.',
      ),
    ];
  }
  return [];
}
