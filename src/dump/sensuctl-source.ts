import type { Context } from '../core/context.js';
import { openSensuctl, type SensuctlOptions } from '../sensu/sensuctl.js';
import { resourcesOf } from './read/read-dump.js';
import type { DumpResource } from './read/resource.js';
import type { SkipList, SkippedType } from './skipped.js';

export interface SensuctlSourceOptions {
  /** Default: all. */
  readonly namespaces?: readonly string[];
  readonly silenceMs?: number;
}

/**
 * Reads resources from the operator's own sensuctl. It leaves out the events of a dump of all namespaces without a
 * word, so they are asked for by namespace; and it passes over, without a word, what its user may not read.
 */
export class SensuctlSource implements SkipList {
  readonly #context: Context;
  readonly #options: SensuctlSourceOptions;
  readonly #seen = new Set<string>();

  constructor(context: Context, options: SensuctlSourceOptions = {}) {
    this.#context = context;
    this.#options = options;
  }

  /** @throws FerryError see `Sensuctl`, and `readDump` for what it writes */
  async *resources(): AsyncGenerator<DumpResource> {
    const { env, signal } = this.#context;
    const { silenceMs, namespaces } = this.#options;
    const options: SensuctlOptions = { env, signal, ...(silenceMs !== undefined && { silenceMs }) };
    const sensuctl = openSensuctl(options);
    await sensuctl.version();
    const read = (words: readonly string[]): AsyncGenerator<DumpResource> => {
      const args = ['dump', ...words, '--format', 'yaml'];
      return resourcesOf(
        { path: 'the output of sensuctl', pieces: () => sensuctl.read(args) },
        this.#context,
      );
    };
    for (const namespace of namespaces ?? []) yield* within(read(['all', '--namespace', namespace]));
    if (namespaces !== undefined) return;
    yield* this.#note(read(['all', '--all-namespaces']));
    for (const namespace of await sensuctl.namespaces()) {
      yield* read(['core/v2.Event', '--namespace', namespace]);
    }
  }

  async *#note(resources: AsyncGenerator<DumpResource>): AsyncGenerator<DumpResource> {
    for await (const resource of resources) {
      this.#seen.add(resource.type);
      yield resource;
    }
  }

  /** Of these every store holds some: where there is none, the user may not read them. Of others nobody can tell. */
  get skipped(): readonly SkippedType[] {
    if (this.#options.namespaces !== undefined) return [];
    return ['Namespace', 'ClusterRole', 'ClusterRoleBinding', 'User', 'TessenConfig']
      .filter((type) => !this.#seen.has(type))
      .map((type) => ({ type, apiVersion: 'core/v2', reason: 'permission' as const }));
  }
}

/** sensuctl adds what is in no namespace, to each. */
async function* within(resources: AsyncIterable<DumpResource>): AsyncGenerator<DumpResource> {
  for await (const resource of resources) if (resource.namespace !== undefined) yield resource;
}
