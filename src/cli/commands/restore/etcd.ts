import type { Command } from 'commander';
import type { Context } from '../../../core/context.js';
import { parseDuration } from '../../../core/duration.js';
import { formatBytes, formatCount, formatCounted, formatDuration, formatId } from '../../../core/units.js';
import type { LoadPlan } from '../../../copy/load-plan.js';
import type { RestorePlan, RestoreResult } from '../../../restore/etcd/restore-etcd.js';
import { confirm } from '../../terminal/confirm.js';
import { addConnectionOptions, connectOptionsFrom, type ConnectionFlags } from '../../options/connection.js';
import { ExitCode } from '../../exit-codes.js';
import { lookForGarbageSooner } from '../../heap.js';
import { addRestoreConfig } from './config.js';
import { addStoreOptions, openSource, tellOfStopped, type StoreFlags } from '../../options/source.js';
import { addNetworkOptions, runs, withWarning, type CommandResult, type OutputOptions } from '../../run.js';

interface RestoreEtcdFlags extends OutputOptions, ConnectionFlags, StoreFlags {
  readonly prefix?: string;
  readonly namespace?: string;
  readonly excludeEphemeral?: boolean;
  readonly holdLeases?: string;
  readonly plan?: boolean;
  readonly yes?: boolean;
}

export function addRestoreCommands(restore: Command): void {
  const command = restore
    .command('etcd')
    .description('load a store into a running etcd, leases included, and prove that it is the same')
    .option('--prefix <prefix>', 'only keys that begin with it, such as /sensu.io/checks/')
    .option('--namespace <name>', 'only keys of this Sensu namespace')
    .option('--exclude-ephemeral', 'leave out leases and the keys that are bound to one')
    .option(
      '--hold-leases <duration>',
      'renew the restored leases until a backend has started on this etcd, for so long at most',
    )
    .option('--plan', 'show what would be done, and stop')
    .option('--yes', 'do not ask');
  addNetworkOptions(addStoreOptions(addConnectionOptions(command))).action(runs(restoreEtcd));
  addRestoreConfig(restore);
}

async function restoreEtcd(context: Context, flags: RestoreEtcdFlags): Promise<CommandResult> {
  const { namespaceOf } = await import('../../../sensu/keys/key-space.js');
  const { partFrom } = await import('../../../restore/etcd/part-options.js');
  const part = partFrom(flags, namespaceOf);
  const holdMs = flags.holdLeases === undefined ? 0 : parseDuration(flags.holdLeases, '--hold-leases');
  const options = await connectOptionsFrom(flags, context);
  const source = await openSource(flags, context);
  try {
    const warned = tellOfStopped(source, context);
    // Loaded only now: a file that is of no use is said to be that at once.
    const { connect } = await import('../../../etcd/connect.js');
    const { applyRestoreEtcd, planRestoreEtcd } = await import('../../../restore/etcd/restore-etcd.js');
    lookForGarbageSooner();
    const client = await connect(options);
    try {
      const plan = await planRestoreEtcd(context, client, source, {
        part,
        tls: options.tls ?? {},
        holdLeasesMs: holdMs,
      });
      for (const warning of plan.warnings) context.report.warn(warning);
      if (flags.plan === true) return withWarning(planned(plan), warned);
      await confirm(context, flags, describePlan(plan), 'write to this etcd');
      const result = await applyRestoreEtcd(context, client, source, plan.load, holdMs);
      return withWarning(done(plan, result), warned);
    } catch (error) {
      if (context.signal.aborted) context.report.info('Run the same command again: it goes on from here.');
      throw error;
    } finally {
      await client.close();
    }
  } finally {
    source.close();
  }
}

function planned(plan: RestorePlan): CommandResult {
  return {
    lines: describePlan(plan),
    json: { plan: planDocument(plan) },
    exit: plan.warnings.length > 0 ? ExitCode.warnings : ExitCode.done,
  };
}

function describePlan({ source, target, load, notes }: RestorePlan): readonly string[] {
  const { keys, ephemeralKeys, bytes, leases } = load.source;
  const cluster = [
    target.version === undefined ? undefined : `etcd ${target.version}`,
    target.clusterId === undefined ? undefined : `cluster ${formatId(target.clusterId)}`,
    target.quotaBytes === undefined ? undefined : `quota ${formatBytes(target.quotaBytes)}`,
    target.dbSizeInUse === undefined ? undefined : `${formatBytes(target.dbSizeInUse)} in use`,
  ].filter((fact) => fact !== undefined);
  return [
    `Source  ${source.path}, revision ${source.revision}`,
    `        ${formatCounted(keys, 'key')} (${formatCount(ephemeralKeys)} of them ephemeral), ${formatBytes(bytes)}, ${formatCounted(leases, 'lease')}`,
    `Target  ${target.endpoints.join(', ')}`,
    ...(cluster.length > 0 ? [`        ${cluster.join(', ')}`] : []),
    `        ${describeTarget(load)}`,
    ...notes,
  ];
}

function describeTarget({ onTarget, alreadyThere, source }: LoadPlan): string {
  if (onTarget === 0) return 'holds nothing of this part yet';
  const left = source.keys - alreadyThere;
  return `holds ${formatCount(alreadyThere)} of the keys already; ${formatCounted(left, 'is', 'are')} left to write`;
}

function planDocument({ source, target, load, warnings, notes }: RestorePlan): object {
  const { source: tally, alreadyThere, onTarget } = load;
  return {
    source: { ...source, ...tally },
    target: {
      endpoints: target.endpoints,
      clusterId: target.clusterId === undefined ? null : formatId(target.clusterId),
      version: target.version ?? null,
      bytesInUse: target.dbSizeInUse === undefined ? null : Number(target.dbSizeInUse),
      quotaBytes: target.quotaBytes ?? null,
    },
    alreadyThere,
    onTarget,
    warnings,
    notes,
  };
}

function done(plan: RestorePlan, result: RestoreResult): CommandResult {
  const { load, verified } = result;
  const seconds = (load.milliseconds + verified.milliseconds) / 1000;
  const warnings = [...plan.warnings, ...leaseWarnings(result)];
  return {
    lines: describeResult(plan, result, seconds),
    json: {
      keys: plan.load.source.keys,
      written: load.written,
      alreadyThere: plan.load.alreadyThere,
      bytes: plan.load.source.bytes,
      leases: load.leases.length,
      seconds,
      loadSeconds: load.milliseconds / 1000,
      verifySeconds: verified.milliseconds / 1000,
      keysPerSecond: Math.round(load.written / (load.milliseconds / 1000)),
      digest: { source: verified.source, target: verified.target },
      targetRevision: verified.revision,
      firstLeaseEndsAfterSeconds:
        result.firstLeaseEndsAfter === undefined ? null : Number(result.firstLeaseEndsAfter),
      leasesTakenOver: result.takeover === undefined ? null : result.takeover === 'by-a-backend',
      warnings,
    },
    exit: warnings.length > 0 ? ExitCode.warnings : ExitCode.done,
  };
}

function describeResult(plan: RestorePlan, result: RestoreResult, seconds: number): readonly string[] {
  const { load, verified } = result;
  const rate = Math.round(load.written / (load.milliseconds / 1000));
  const { source: digest } = verified;
  return [
    `Restored ${formatCounted(plan.load.source.keys, 'key')} (${formatBytes(plan.load.source.bytes)}) and ${formatCounted(load.leases.length, 'lease')} in ${formatDuration(seconds * 1000)}: ${formatCount(load.written)} written, ${formatCount(rate)} keys/s.`,
    'Read back and compared: source and target are the same.',
    `  lasting    ${digest.lasting}  ${formatCounted(digest.lastingKeys, 'key')}`,
    `  ephemeral  ${digest.ephemeral}  ${formatCounted(digest.ephemeralKeys, 'key')}`,
    ...leaseLines(result),
  ];
}

/** A lease that ends takes its key along, and with it what Sensu would have noticed: agents that are dead. */
function leaseLines({ firstLeaseEndsAfter: seconds, takeover }: RestoreResult): string[] {
  if (seconds === undefined) return [];
  if (takeover === 'by-a-backend') return ['A backend has started on it, and has the leases now.'];
  return [
    `Nobody holds the leases any more: the first of them ends in ${seconds} s, with its keys. A backend that is started before that takes them over.`,
    'If the backends start later, dead agents raise no alert. In that case run this again with --hold-leases 15m, right before they start.',
  ];
}

function leaseWarnings({ raisedLeases, takeover, lostLeases }: RestoreResult): string[] {
  return [
    ...(takeover === 'by-nobody' ? ['No backend has started in the time of --hold-leases.'] : []),
    ...(lostLeases > 0
      ? [`${formatCounted(lostLeases, 'lease')} ended although this program renewed them.`]
      : []),
    ...raisedTtls(raisedLeases),
  ];
}

function raisedTtls(raisedLeases: number): string[] {
  if (raisedLeases === 0) return [];
  return [
    `The target raised the TTL of ${formatCounted(raisedLeases, 'lease')}: its election time-out allows no shorter one.`,
  ];
}
