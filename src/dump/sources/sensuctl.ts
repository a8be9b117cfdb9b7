import type { Context } from '../../core/context.js';
import { resourceKinds } from '../../sensu/resources/kinds.js';
import { openSensuctl, type Sensuctl } from '../../sensu/sensuctl.js';
import { resourcesOf } from '../read/read-dump.js';
import type { DumpResource } from '../read/resource.js';
import { fullName, namespaceUnknown, type Selection } from '../selection.js';
import type { SkipList, SkippedType } from '../skipped.js';

/**
 * Reads resources from the operator's own sensuctl, which is asked for nothing that is not selected. It leaves out the
 * events of a dump of all namespaces without a word, so they are asked for by namespace; and it passes over, without a
 * word, what its user may not read.
 */
export class SensuctlSource implements SkipList {
  readonly #context: Context;
  readonly #selection: Selection;
  readonly #silenceMs: number | undefined;
  readonly #seen = new Set<string>();

  /** @param silenceMs See `SensuctlOptions`. */
  constructor(context: Context, selection: Selection, silenceMs?: number) {
    this.#context = context;
    this.#selection = selection;
    this.#silenceMs = silenceMs;
  }

  /** @throws FerryError NAMESPACE_UNKNOWN (`usage`), see `Sensuctl`, and `readDump` for what it writes */
  async *resources(): AsyncGenerator<DumpResource> {
    const { env, signal } = this.#context;
    const silenceMs = this.#silenceMs;
    const sensuctl = openSensuctl({ env, signal, ...(silenceMs !== undefined && { silenceMs }) });
    await sensuctl.version();
    for (const words of await dumpsOf(this.#selection, sensuctl)) {
      // Some texts are lost in its YAML: it writes a label << without quotes, and breaks lines at U+2028.
      const args = ['dump', ...words, '--format', 'wrapped-json'];
      const pieces = (): AsyncIterable<Buffer> => sensuctl.read(args);
      yield* this.#note(resourcesOf({ path: 'the output of sensuctl', pieces }, this.#context));
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
    return ['Namespace', 'ClusterRole', 'ClusterRoleBinding', 'User', 'TessenConfig']
      .filter((type) => !this.#seen.has(type))
      .map((type) => ({ type, apiVersion: 'core/v2', reason: 'permission' as const }));
  }
}

const event = 'core/v2.Event';

/** What is to be asked of `sensuctl dump`, one run after the other. */
async function dumpsOf(selection: Selection, sensuctl: Sensuctl): Promise<readonly (readonly string[])[]> {
  const { kinds, commercial, namespace } = selection;
  const names = kinds.map(fullName);
  if (namespace !== undefined) {
    if (!(await sensuctl.namespaces()).includes(namespace)) throw namespaceUnknown(namespace);
    return typeWords(names, commercial).map((words) => [...words, '--namespace', namespace]);
  }
  const everywhere = (words: readonly string[]): readonly string[] => [...words, '--all-namespaces'];
  const at = names.indexOf(event);
  if (at === -1) return typeWords(names, commercial).map(everywhere);
  const events = (await sensuctl.namespaces()).map((name) => [event, '--namespace', name]);
  return [
    ...typeWords(names.slice(0, at), []).map(everywhere),
    ...events,
    ...typeWords(names.slice(at + 1), commercial).map(everywhere),
  ];
}

/** The words that name the types; none where there is nothing to be asked for. */
function typeWords(
  names: readonly string[],
  commercial: Selection['commercial'],
): readonly (readonly string[])[] {
  if (commercial === 'all') {
    const omitted = resourceKinds.map(fullName).filter((name) => !names.includes(name));
    return [['all', ...(omitted.length > 0 ? ['--omit', omitted.join(',')] : [])]];
  }
  const named = [...names, ...commercial];
  return named.length > 0 ? [[named.join(',')]] : [];
}
