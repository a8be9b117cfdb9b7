import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdBinaries } from '../../src/etcd/throwaway/binaries.js';
import { startThrowawayEtcd } from '../../src/etcd/throwaway/throwaway.js';
import { keepaliveTimeout } from './agents.js';
import { layOutHost, startFresh, type BackendHost } from './backend-host.js';
import { startFerry } from './ferry.js';
import { roundRobinInterval, startObserver, type Observed } from './observer.js';
import { tail, type Finished } from './processes.js';
import type { Outcome, Scenario } from './scenario.js';

/** Longer than every lease of a keepalive or a check that is fed: without the hold all of them are gone by then. */
const awayMs = 130_000;

/** Long enough for alerts that are due and for those that must not come. */
const watchMs = (keepaliveTimeout + 30) * 1000;

/**
 * A stopped backend's store goes into an external etcd by hand, and the backend comes back minutes later: an agent that
 * died before alerts, and one that lives does not.
 */
export function heldLeases(binaries: EtcdBinaries): Scenario {
  return {
    name: `held-leases-${binaries.version}`,
    table: 'restore etcd --hold-leases, and a backend that starts minutes later',
    run: async ({ sensu }, folder) => {
      const host = await layOutHost(join(folder, 'backend'), sensu);
      const etcd = await startThrowawayEtcd({ binaries });
      try {
        const api = await startFresh(host);
        const observer = await startObserver(host, api, sensu);
        // The first runs of the checks.
        await sleep(2 * roundRobinInterval * 1000);
        await observer.loseAgent();
        const restored = await restoreWhileAway(host, etcd.endpoint);
        await observer.begin();
        await sleep(watchMs);
        return judge(restored, await observer.finish());
      } finally {
        await host.stop();
        await etcd.stop();
      }
    },
  };
}

async function restoreWhileAway(host: BackendHost, endpoint: string): Promise<Finished> {
  await host.stop();
  const source = ['--data-dir', host.dataDirectory, '--endpoints', endpoint];
  const { finished } = startFerry(['restore', 'etcd', ...source, '--hold-leases', '10m', '--yes', '--json']);
  await sleep(awayMs);
  await appendFile(host.backendConfig, `no-embed-etcd: true\netcd-client-urls: "${endpoint}"\n`);
  await host.start();
  return finished;
}

function judge(restored: Finished, observed: Observed): Outcome {
  const { keepalives, switches, falseAlerts, roundRobin } = observed;
  const isTakenOver = /"leasesTakenOver": ?true/.test(restored.stdout);
  const faults = [
    restored.code === 0 && isTakenOver
      ? undefined
      : `restore etcd ended with ${restored.code}: ${tail(restored)}`,
    keepalives.seen === keepalives.expected ? undefined : 'the agent that died raises no alert',
    switches.seen === switches.expected ? undefined : 'the check that is no longer fed raises no alert',
    falseAlerts.length === 0 ? undefined : `alerts without a cause: ${falseAlerts.join(', ')}`,
    roundRobin.seen > 0 ? undefined : 'the round-robin check no longer runs',
  ];
  return {
    cells: {
      'restore etcd': `exit ${restored.code}`,
      'taken over by the backend': isTakenOver ? 'yes' : 'no',
      'keepalive alerts': `${keepalives.seen} of ${keepalives.expected}`,
      'switch alerts': `${switches.seen} of ${switches.expected}`,
      'false alerts': String(falseAlerts.length),
      'round robin': `${roundRobin.seen} of ${roundRobin.expected}`,
    },
    faults: faults.filter((fault) => fault !== undefined),
  };
}
