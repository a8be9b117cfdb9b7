import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../core/context.js';
import { readLog, type LogPlace } from '../../sensu/backend/log-reader.js';
import { apiOf } from '../backend-answer.js';
import { notChecked, type Proof } from '../proof.js';
import { backendOptions, type RunResources } from '../resources.js';
import type { RecordedSettings, Secrets } from '../settings.js';
import type { MigrationSource } from '../source.js';
import { ApiProbe } from './api-probe.js';
import { LogProbe } from './log-probe.js';
import type { Probe } from './probe.js';
import { StoreProbe } from './store-probe.js';

export interface WatchedBackend {
  readonly context: Context;
  readonly settings: RecordedSettings;
  readonly secrets: Secrets;
  readonly source: MigrationSource;
  readonly resources: RunResources;
  /** Sensu's own id of the carried store. */
  readonly sensuClusterId: string | null;
  /** What its log said before is of no interest. */
  readonly since: Date;
  /** What a fault means that was logged after `since` and before the watch. */
  readonly pastFaults: 'counts' | 'warns';
}

/** Fits a backend that logs in to etcd about once a second, and costs neither side anything. */
const roundMs = 2000;

/**
 * Looks at the backend from all sides, at least once, until the time is over. What is seen for the first time is said at once; the proofs
 * say how often. Throws only when the watch itself cannot go on.
 */
export async function watchBackend(backend: WatchedBackend, seconds: number): Promise<readonly Proof[]> {
  const { context } = backend;
  const probes = await probesOf(backend);
  const beganAt = performance.now();
  const elapsed = (): number => Math.min((performance.now() - beganAt) / 1000, seconds);
  try {
    for (;;) {
      const news = await Promise.all(probes.map((probe) => probe.look()));
      context.signal.throwIfAborted();
      for (const sentence of news.flat()) context.report.warn(sentence);
      const left = seconds - elapsed();
      if (seconds > 0)
        context.report.progress({
          task: 'Watching the backend',
          unit: 'seconds',
          done: Math.floor(elapsed()),
          total: seconds,
        });
      if (left <= 0) break;
      await sleep(Math.min(roundMs, left * 1000), undefined, { signal: context.signal }).catch(
        () => undefined,
      );
      context.signal.throwIfAborted();
    }
    return [
      ...probes.flatMap((probe) => probe.proofs()),
      ...(logPlace(backend.settings) ? [] : [withoutLog]),
    ];
  } finally {
    await Promise.all(probes.map((probe) => probe.close()));
  }
}

async function probesOf(backend: WatchedBackend): Promise<readonly Probe[]> {
  const { context, settings, secrets, source, sensuClusterId, since, pastFaults } = backend;
  const api = apiOf(settings, source, secrets);
  const wantedId = secrets.apiKey === undefined ? undefined : (sensuClusterId ?? undefined);
  const place = logPlace(settings);
  return [
    new ApiProbe(api, wantedId),
    new StoreProbe(await backendOptions(context, settings, secrets, backend.resources)),
    ...(place === undefined
      ? []
      : [new LogProbe(readLog(place, since, context.processes), since, pastFaults)]),
  ];
}

const withoutLog = notChecked(
  'log of the backend',
  'no unit of systemd is started, and no --log-file is given',
);

/** The file that was named; else the journal of the unit that the start command starts. */
function logPlace({ logFile, startCommand }: RecordedSettings): LogPlace | undefined {
  if (logFile !== undefined) return { file: logFile };
  const unit = /\bsystemctl\b(?:\s+-\S+)*\s+(?:re)?start\s+(?:-\S+\s+)*([\w@.:-]+)/.exec(startCommand)?.[1];
  return unit === undefined ? undefined : { unit };
}
