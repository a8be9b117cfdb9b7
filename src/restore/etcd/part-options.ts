import { FerryError } from '../../core/errors.js';
import { prefixRange, sensuRoot } from '../../store/sensu-root.js';
import type { KeyRange } from '../../store/view.js';
import { wholeStore, type Part } from '../../copy/part.js';

/** The part of a store as an operator names it. */
export interface PartOptions {
  /** Keys that begin with it; must lie under the Sensu root. */
  readonly prefix?: string;
  readonly namespace?: string;
  readonly excludeEphemeral?: boolean;
}

/** @param namespaceOf The Sensu namespace that a key belongs to; undefined for a key of the whole cluster. */
export function partFrom(options: PartOptions, namespaceOf: (key: Buffer) => string | undefined): Part {
  const { prefix, namespace } = options;
  return {
    range: prefix === undefined ? wholeStore.range : rangeOf(prefix),
    ephemeral: options.excludeEphemeral !== true,
    ...(namespace !== undefined && { includes: (key: Buffer) => namespaceOf(key) === namespace }),
  };
}

function rangeOf(prefix: string): KeyRange {
  if (!prefix.startsWith(sensuRoot.start.toString())) {
    throw new FerryError({
      kind: 'usage',
      code: 'PREFIX_OUTSIDE_SENSU',
      message: `The prefix ${prefix} does not lie under ${sensuRoot.start.toString()}.`,
      hint: 'Give a prefix such as /sensu.io/checks/default/.',
    });
  }
  return prefixRange(Buffer.from(prefix));
}
