import { formatId } from '../../core/units.js';
import type { Members } from '../../etcd/facets/cluster.js';
import type { WithAuth } from '../../etcd/facets/auth.js';
import type { Alarms } from '../../etcd/facets/maintenance.js';
import type { KvReader } from '../../etcd/facets/kv.js';
import type { EtcdClient } from '../../etcd/client.js';
import { clusterIdKey, prefixRange, sensuRoot, singleKey } from '../../store/sensu-root.js';
import { note, refusal, warning, type Finding } from '../findings.js';
import { backendKeys } from '../../rbac/backends-at-work.js';
import { isAtLeast } from '../../etcd/version.js';

export interface SourceFacts {
  readonly etcdClusterId: bigint;
  readonly etcdMemberId: bigint;
  readonly etcdVersion: string;
  readonly revision: bigint;
  readonly keys: bigint;
  readonly dbSize: bigint;
  readonly dbSizeInUse: bigint;
  /** Undefined when the store has none, which only a store that never ran has. */
  readonly sensuClusterId: string | undefined;
  /** Keys of the backends that work on it. */
  readonly backends: ReadonlySet<string>;
}

export async function inspectSource(
  client: EtcdClient,
): Promise<{ readonly facts: SourceFacts; readonly findings: readonly Finding[] }> {
  const endpoint = client.endpoints[0]!;
  const status = await client.status(endpoint);
  const clusterId = (await client.range(singleKey(clusterIdKey))).entries[0];
  const facts: SourceFacts = {
    etcdClusterId: status.clusterId,
    etcdMemberId: status.memberId,
    etcdVersion: status.version,
    revision: status.revision,
    keys: (await client.range({ ...sensuRoot, countOnly: true })).count,
    dbSize: status.dbSize,
    dbSizeInUse: status.dbSizeInUse,
    sensuClusterId: clusterId?.value.toString('utf8'),
    backends: await backendKeys(client),
  };
  return {
    facts,
    findings: [
      ...(await membership(client)),
      ...(await health(client, status.errors)),
      ...content(facts),
      ...(await foreignKeys(client, facts)),
      ...(await commercialResources(client)),
      ...embeddedVersion(status.version),
    ],
  };
}

async function membership(client: Members): Promise<Finding[]> {
  const members = await client.members();
  if (members.length === 1) return [];
  return [
    refusal(
      'SOURCE_IS_CLUSTER',
      `The embedded etcd has ${members.length} members; this command moves a single backend.`,
      "For a cluster use 'sensu-ferry snapshot save', stop all backends, then 'restore etcd' and 'rbac apply' on the target.",
    ),
  ];
}

async function health(client: Alarms & WithAuth, errors: readonly string[]): Promise<Finding[]> {
  const findings = (await client.alarms()).map((alarm) =>
    refusal(
      'SOURCE_ALARM',
      `The embedded etcd has a ${alarm.type} alarm of member ${formatId(alarm.memberId)}.`,
      alarm.type === 'NOSPACE'
        ? 'Compact and defragment the embedded etcd, then disarm the alarm.'
        : 'The store is corrupt: restore it from a good snapshot first.',
    ),
  );
  if (errors.length > 0 && findings.length === 0) {
    findings.push(
      refusal('SOURCE_UNHEALTHY', `The embedded etcd reports: ${errors.join('; ')}.`, 'Mend that first.'),
    );
  }
  if (await client.auth.enabled()) {
    findings.push(
      refusal(
        'SOURCE_HAS_AUTH',
        'The embedded etcd has auth enabled, which no embedded backend survives.',
        'Check that --source-endpoints leads to the embedded etcd of this backend.',
      ),
    );
  }
  return findings;
}

function content(facts: SourceFacts): Finding[] {
  if (facts.sensuClusterId !== undefined) return [];
  return [
    refusal(
      'SOURCE_IS_NO_SENSU_STORE',
      'The source has no key /sensu.io/cluster_id, so it is not the store of a backend that has run.',
      'Check --source-endpoints and the state-dir of backend.yml.',
    ),
  ];
}

async function foreignKeys(client: KvReader, facts: SourceFacts): Promise<Finding[]> {
  const all = await client.range({ start: Buffer.from([0]), end: Buffer.from([0]), countOnly: true });
  const outside = all.count - facts.keys;
  if (outside <= 0n) return [];
  const keys = outside === 1n ? '1 key' : `${outside} keys`;
  return [
    note(
      'KEYS_OUTSIDE_ROOT',
      `The store has ${keys} outside /sensu.io/, not carried along: locks of sensu-backend init, or another program's keys.`,
      "Look at them with 'sensu-ferry snapshot inspect' if you keep anything else in this etcd.",
    ),
  ];
}

async function commercialResources(client: KvReader): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (await hasKeys(client, '/sensu.io/api/enterprise/store/v1/provider/')) {
    findings.push(
      warning(
        'POSTGRES_STORE',
        'The store has a PostgreSQL provider: events are in PostgreSQL, not in etcd.',
        'Back PostgreSQL up separately. The provider itself is carried, and the backend goes on using that database.',
      ),
    );
  }
  if (await hasKeys(client, '/sensu.io/api/enterprise/federation/v1/etcd-replicators/')) {
    findings.push(
      warning(
        'ETCD_REPLICATORS',
        'The store has etcd replicators, which name the URLs and certificate files of other clusters.',
        'Replicators of other clusters that point at this one must be deleted and made again with the new URLs.',
      ),
    );
  }
  return findings;
}

async function hasKeys(client: KvReader, prefix: string): Promise<boolean> {
  return (await client.range({ ...prefixRange(Buffer.from(prefix)), countOnly: true })).count > 0n;
}

/** etcd 3.5.0 to 3.5.2 can leave members with different data after a kill under load (etcd issue 13766). */
function embeddedVersion(version: string): Finding[] {
  if (!isAtLeast(version, [3, 5, 0]) || isAtLeast(version, [3, 5, 3])) return [];
  return [
    warning(
      'SOURCE_IN_INCONSISTENCY_WINDOW',
      `The embedded etcd is ${version}; releases 3.5.0 to 3.5.2 could lose writes when they were killed under load.`,
      'The store is carried as it is. Compare what you rely on with your own records if a backend was ever killed.',
    ),
  ];
}
