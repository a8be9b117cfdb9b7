import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import { createServiceControl } from '../../host/service-control.js';
import { waitUntilAnswering } from '../backend-answer.js';
import { embeddedEtcdRuns } from '../backend-standing.js';
import type { MigrationSource } from '../source.js';
import type { Step } from '../engine/strategy.js';

/** From here on the backend is away. */
export const stopStep: Step<'stop'> = {
  id: 'stop',
  title: 'Stop the backend',
  changes: 'runs the stop command, and waits until the embedded etcd is gone',
  downtime: true,
  async run({ context, settings, source, awaySince }) {
    // A run that was cut off here has left the backend down, unless somebody has started it since.
    const wasAway = awaySince !== undefined && !(await embeddedEtcdRuns(source));
    const stopAskedAt = wasAway ? awaySince : context.clock.now().toISOString();
    await createServiceControl(context, settings).stop();
    await waitUntilReleased(context, source);
    return { stopAskedAt, stoppedAt: context.clock.now().toISOString() };
  },
  async undo({ context, settings, source }) {
    context.report.info('Starting the backend again on its embedded store.');
    await createServiceControl(context, settings).start();
    await waitUntilAnswering(context, settings, source);
  },
};

const releaseTimeoutMs = 60_000;

/**
 * A stop command may return before its process is gone. What still answers might acknowledge a write that nobody
 * carries over.
 */
async function waitUntilReleased(context: Context, source: MigrationSource): Promise<void> {
  const giveUpAt = performance.now() + releaseTimeoutMs;
  while (await embeddedEtcdRuns(source)) {
    if (performance.now() > giveUpAt) throw stillRunning(source);
    await sleep(20, undefined, { signal: context.signal });
  }
}

function stillRunning(source: MigrationSource): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'BACKEND_NOT_STOPPED',
    message: `The stop command ended, but something still holds ${source.dataDirectory}, or answers at ${source.endpoints.join(', ')}, after ${releaseTimeoutMs / 1000} s.`,
    hint: 'Check --stop-command, and that no second backend or etcd runs on this directory.',
  });
}
