import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { formatBytes, formatCounted, formatDuration } from '../../core/units.js';
import type { Kv } from '../../etcd/facets/kv.js';
import type { LeaseReader, Leases } from '../../etcd/facets/leases.js';
import type { Alarms } from '../../etcd/facets/maintenance.js';
import type { TlsFiles } from '../../etcd/connect-options.js';
import type { MemberStatus, Members } from '../../etcd/facets/cluster.js';
import { readServerHttpFacts } from '../../etcd/transport/server-http.js';
import type { OpenedStore } from '../../snapshot/open/open.js';
import type { StoreView } from '../../store/view.js';
import { applyLoad, type LoadResult } from '../../copy/load.js';
import { waitForBackend, type LeaseTakeover } from './hold-leases.js';
import { planLoad, type LoadOptions, type LoadPlan } from '../../copy/load-plan.js';
import { verifyCopy, type VerifiedCopy } from '../../copy/verify-copy.js';

interface TargetFacts {
  readonly endpoints: readonly string[];
  /** Undefined where the user may not ask for it: newer etcd shows it to root only. */
  readonly clusterId: bigint | undefined;
  readonly version: string | undefined;
  /** Of the fullest member's database: what is in use, and what its file may still grow by. */
  readonly dbSizeInUse: bigint | undefined;
  readonly quotaBytes: number | undefined;
}

export interface RestorePlan {
  readonly source: Pick<OpenedStore, 'path' | 'kind' | 'revision' | 'hashChecked'>;
  readonly target: TargetFacts;
  readonly load: LoadPlan;
  /** What needs the operator's eyes before the first write: it ends plan and run with another exit code. */
  readonly warnings: readonly string[];
  /** What is good to know. */
  readonly notes: readonly string[];
}

export interface RestoreResult {
  readonly load: LoadResult;
  readonly verified: VerifiedCopy;
  /** TTL in seconds of the lease that ends first now that nobody holds it; undefined without leases. */
  readonly firstLeaseEndsAfter: bigint | undefined;
  /** Leases whose TTL the target had to raise. */
  readonly raisedLeases: number;
  /** Undefined where the leases were let go at once. */
  readonly takeover: LeaseTakeover | undefined;
  /** Leases that ended although they were held. */
  readonly lostLeases: number;
}

/**
 * Reads source and target and says what a restore would do.
 * @throws FerryError as `planLoad`, and QUOTA_TOO_SMALL (`refused`), NOTHING_TO_RESTORE (`source`)
 */
export async function planRestoreEtcd(
  context: Context,
  client: Kv & LeaseReader & Members & Alarms,
  source: OpenedStore,
  options: LoadOptions & { readonly tls: TlsFiles; readonly holdLeasesMs?: number },
): Promise<RestorePlan> {
  const target = await readTarget(client, options.tls);
  const load = await planLoad(context, client, source, options);
  if (load.source.keys === 0) throw nothingToRestore(source.path);
  refuseSmallQuota(target, load);
  const { path, kind, revision, hashChecked } = source;
  return {
    source: { path, kind, revision, hashChecked },
    target,
    load,
    warnings: [...unchecked(source), ...tightQuota(target, load)],
    notes: leasesLetGo(load, options.holdLeasesMs),
  };
}

/**
 * Loads, proves, and lets go of the leases, at once or when a backend has come, `holdLeasesMs` later at most. A second
 * run after any failure goes on where this one stopped.
 */
export async function applyRestoreEtcd(
  context: Context,
  client: Kv & Leases,
  source: StoreView,
  plan: LoadPlan,
  holdLeasesMs = 0,
): Promise<RestoreResult> {
  const keeper = client.keepLeases();
  try {
    const load = await applyLoad(context, client, source, plan, keeper);
    const { leases } = load;
    const verified = await verifyCopy(context, client, source, {
      part: plan.part,
      leases,
      keys: plan.source.keys,
    });
    const ttls = leases.map(({ ttl }) => ttl);
    const isHeld = holdLeasesMs > 0 && leases.length > 0;
    if (isHeld) {
      context.report.info(
        `The copy is proven. Start the backends now: their leases are held for up to ${formatDuration(holdLeasesMs)}.`,
      );
    }
    const takeover = isHeld
      ? await waitForBackend(context, client, verified.revision, holdLeasesMs)
      : undefined;
    return {
      takeover,
      lostLeases: keeper.lost.size,
      load,
      verified,
      firstLeaseEndsAfter: ttls.reduce<bigint | undefined>(
        (least, ttl) => (least === undefined || ttl < least ? ttl : least),
        undefined,
      ),
      raisedLeases: leases.filter(({ wanted, ttl }) => wanted.ttl !== ttl).length,
    };
  } finally {
    await keeper.close();
  }
}

async function readTarget(client: Members, tls: TlsFiles): Promise<TargetFacts> {
  const statuses = await Promise.all(client.endpoints.map((endpoint) => statusIfAllowed(client, endpoint)));
  const known = statuses.filter((status) => status !== undefined);
  const quotas = await Promise.all(
    client.endpoints.map(async (endpoint) => (await readServerHttpFacts(endpoint, tls))?.quotaBytes),
  );
  const shown = quotas.filter((quota) => quota !== undefined);
  const inUse = known.map(({ dbSizeInUse }) => dbSizeInUse);
  return {
    endpoints: client.endpoints,
    clusterId: known[0]?.clusterId,
    version: known[0]?.version,
    dbSizeInUse: inUse.length === 0 ? undefined : inUse.reduce((a, b) => (a > b ? a : b)),
    quotaBytes: shown.length === 0 ? undefined : Math.min(...shown),
  };
}

async function statusIfAllowed(client: Members, endpoint: string): Promise<MemberStatus | undefined> {
  try {
    return await client.status(endpoint);
  } catch (error) {
    // One dead member is no obstacle to the others, and 3.5.30 answers this to root alone.
    if (error instanceof FerryError && (error.kind === 'denied' || error.kind === 'unreachable')) {
      return undefined;
    }
    throw error;
  }
}

/** Bytes that the target's databases can still take; undefined where that cannot be known. */
function freeBytes({ quotaBytes, dbSizeInUse }: TargetFacts): number | undefined {
  if (quotaBytes === undefined || dbSizeInUse === undefined) return undefined;
  return quotaBytes - Number(dbSizeInUse);
}

function missingBytes({ source, alreadyThere }: LoadPlan): number {
  return source.bytes * (1 - alreadyThere / source.keys);
}

function refuseSmallQuota(target: TargetFacts, load: LoadPlan): void {
  const free = freeBytes(target);
  const needed = missingBytes(load);
  if (free === undefined || needed <= free) return;
  throw new FerryError({
    kind: 'refused',
    code: 'QUOTA_TOO_SMALL',
    message: `The target has room for ${formatBytes(Math.max(free, 0))} within its quota of ${formatBytes(target.quotaBytes!)}, and the source has ${formatBytes(Math.round(needed))} to load.`,
    hint: 'Start every member of the target with a larger --quota-backend-bytes; the default of an embedded Sensu etcd is 4 GiB.',
  });
}

function tightQuota(target: TargetFacts, load: LoadPlan): string[] {
  const free = freeBytes(target);
  // Pages are never quite full, and etcd keeps an index of its own: a third more is what large stores show.
  if (free === undefined || missingBytes(load) * 1.4 <= free) return [];
  return [
    `The target has room for ${formatBytes(free)} only: that may be too little. If it fills up, raise --quota-backend-bytes and run this again.`,
  ];
}

/** A restored lease that runs out takes along what Sensu would have noticed: agents that are dead. */
function leasesLetGo({ source: { leases } }: LoadPlan, holdLeasesMs = 0): string[] {
  if (leases === 0 || holdLeasesMs > 0) return [];
  return [
    `${formatCounted(leases, 'lease')} will run out unless backends start right after the restore; if they start later, add --hold-leases 15m, or dead agents raise no alert.`,
  ];
}

function unchecked({ hashChecked, kind, path }: OpenedStore): string[] {
  if (hashChecked || kind !== 'snapshot') return [];
  return [`${path} carries no hash of its content, so that damage to values cannot be seen.`];
}

function nothingToRestore(path: string): FerryError {
  return new FerryError({
    kind: 'source',
    code: 'NOTHING_TO_RESTORE',
    message: `${path} holds no key of the part that is to be restored.`,
    hint: 'Look at what it holds with sensu-ferry snapshot inspect, and check --prefix and --namespace.',
  });
}
