import type { Context } from '../../core/context.js';
import { FerryError } from '../../core/errors.js';
import type { Kv } from '../../etcd/facets/kv.js';
import type { ApiConnection } from '../../sensu/api/connection.js';
import { putResource } from '../../sensu/api/resources.js';
import { forEachConcurrently } from '../../core/concurrently.js';
import type { Target } from './current.js';
import { rankOf } from './order.js';
import type { ConfigPlan, PlannedResource } from './planned.js';
import { putSilence } from './put-silence.js';
import { writeDirectly } from './write-directly.js';

export interface FailedResource {
  readonly planned: PlannedResource;
  readonly error: FerryError;
}

/** What became of everything that was planned to be created, changed or written. */
export interface ConfigResult {
  readonly done: readonly PlannedResource[];
  readonly failed: readonly FailedResource[];
  /** Those behind the point at which it was stopped, or at which the API was given up. */
  readonly notTried: readonly PlannedResource[];
}

const requestsAtOnce = 8;
/** Each was tried several times by then. */
const failuresToGiveUp = 10;

/**
 * One type after the other, as what comes later may need what comes before. Goes on after a failure; whatever was
 * not done is in the result, also after Ctrl-C. It can be run again: what is done by then is equal.
 */
export async function applyConfig(
  context: Context,
  { api, client }: Target,
  plan: ConfigPlan,
): Promise<ConfigResult> {
  const work = plan.resources.filter(({ action }) => action !== 'equal' && action !== 'refused');
  const run = new Run(context);
  for (const group of byType(work)) {
    await forEachConcurrently(group, requestsAtOnce, (planned) =>
      run.try(planned, () => send(context, api, client, planned)),
    );
    context.report.progress({ task: 'Restoring', unit: 'resources', done: run.count, total: work.length });
  }
  return run.result();
}

async function send(
  context: Context,
  api: ApiConnection,
  client: Kv | undefined,
  { action, resource, route }: PlannedResource,
): Promise<void> {
  if (action === 'write') await writeDirectly(context, client!, resource);
  else if (resource.type === 'Silenced') await putSilence(api, route!, resource);
  else await putResource(api, route!, resource.name, resource, resource.namespace);
}

function byType(work: readonly PlannedResource[]): PlannedResource[][] {
  const groups: PlannedResource[][] = [];
  let rank: number | undefined;
  for (const planned of work) {
    const own = rankOf(planned.resource);
    if (own !== rank) groups.push([]);
    groups.at(-1)!.push(planned);
    rank = own;
  }
  return groups;
}

class Run {
  readonly #context: Context;
  readonly #done: PlannedResource[] = [];
  readonly #failed: FailedResource[] = [];
  readonly #notTried: PlannedResource[] = [];
  #unreachableInARow = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  get count(): number {
    return this.#done.length + this.#failed.length + this.#notTried.length;
  }

  async try(planned: PlannedResource, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#context;
    if (signal.aborted || this.#unreachableInARow >= failuresToGiveUp) {
      this.#notTried.push(planned);
      return;
    }
    try {
      await work();
      this.#done.push(planned);
      this.#unreachableInARow = 0;
    } catch (error) {
      this.#fail(planned, error);
    }
  }

  #fail(planned: PlannedResource, error: unknown): void {
    // A request that Ctrl-C cut off may have been taken; as it is not known to be, it is listed.
    if (this.#context.signal.aborted) this.#failed.push({ planned, error: interrupted() });
    else if (!(error instanceof FerryError)) throw error;
    else {
      this.#failed.push({ planned, error });
      this.#unreachableInARow = error.kind === 'unreachable' ? this.#unreachableInARow + 1 : 0;
    }
  }

  result(): ConfigResult {
    return { done: this.#done, failed: this.#failed, notTried: this.#notTried };
  }
}

function interrupted(): FerryError {
  return new FerryError({
    kind: 'failed',
    code: 'INTERRUPTED',
    message: 'It was under way when this was stopped, and may be there or not.',
    hint: 'Run this again.',
  });
}
