import { setTimeout } from 'node:timers/promises';
import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';

/** Before each further attempt. An election takes a few seconds with the settings that Sensu gives to etcd. */
const usualWaitsMs = [1000, 2000, 4000, 8000];

/**
 * Does the work again when the cluster was changing under it: its leader went, the member that sent the snapshot was
 * lost, or for a moment no member was fit. Anything else would only fail again.
 */
export async function retryWhileClusterChanges<Result>(
  { report, signal }: Pick<Context, 'report' | 'signal'>,
  work: () => Promise<Result>,
  waitsMs: readonly number[] = usualWaitsMs,
): Promise<Result> {
  for (const wait of waitsMs) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!mayPass(error)) throw error;
      report.info(`${error.message} Trying again in ${wait / 1000} s.`);
    }
    // Rejects with an error of its own; the reason of the signal says more.
    await setTimeout(wait, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
  }
  return work();
}

function mayPass(error: unknown): error is FerryError {
  return (
    error instanceof FerryError &&
    ((error.kind === 'unreachable' && error.code !== 'ENDPOINT_NOT_ETCD') ||
      error.code === 'SNAPSHOT_STREAM_BROKEN' ||
      error.code === 'NO_HEALTHY_MEMBER')
  );
}
