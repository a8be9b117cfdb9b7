import type { Context } from '../core/context.js';
import type { ApiResource } from '../sensu/resources/api-value.js';
import { asApiShows, redacted, withSecrets } from '../sensu/resources/secrets.js';
import { maskValue } from '../sensu/resources/mask.js';
import { changedFields } from '../snapshot/diff/fields.js';
import type { DumpFormat } from './framing.js';
import type { DumpItem } from './item.js';
import { LossCollector, nameOf, type LossReport } from './loss-report.js';
import type { DumpOutput } from './write/output.js';
import { jsonDocument } from './write/json.js';
import { yamlDocument } from './write/yaml.js';

export interface DumpOptions {
  readonly format: DumpFormat;
  /** Leaves entities as they are, and gives users their hashes. */
  readonly withSecrets: boolean;
}

/** Writes what a source gives, and tells what is lost on the way. The output is left unfinished when it fails. */
export async function writeDump(
  { signal, clock, report }: Context,
  source: AsyncIterable<DumpItem>,
  output: DumpOutput,
  options: DumpOptions,
): Promise<LossReport> {
  const losses = new LossCollector({ withSecrets: options.withSecrets, now: clock.now() });
  const write = options.format === 'yaml' ? yamlDocument : jsonDocument;
  let done = 0;
  for await (const item of source) {
    if (item.is !== 'resource') {
      losses.add(item);
      continue;
    }
    const { resource, masked } = shown(item, options.withSecrets);
    losses.add(item, masked);
    await output.write(write(resource), nameOf(item.resource));
    done += 1;
    report.progress({ task: 'Dumping', unit: 'resources', done });
    if (done % 1000 === 0) signal.throwIfAborted();
  }
  signal.throwIfAborted();
  await output.finish();
  return losses.finish();
}

interface Shown {
  readonly resource: ApiResource;
  /** Paths that were masked beside what Sensu itself hides. */
  readonly masked: readonly string[];
}

/**
 * What Sensu's API would hide of a commercial type only that Sensu knows: without the secrets, everything is masked
 * whose name sounds like one.
 */
function shown(
  { resource, commercial, isMasked }: Extract<DumpItem, { is: 'resource' }>,
  secrets: boolean,
): Shown {
  if (isMasked) return { resource, masked: [] };
  if (secrets) return { resource: withSecrets(resource), masked: [] };
  if (!commercial) return { resource: asApiShows(resource), masked: [] };
  const spec = maskValue('spec', resource.spec, new Set(), redacted) as ApiResource['spec'];
  return {
    resource: { ...resource, spec },
    masked: changedFields(resource.spec, spec, 'spec').map(({ path }) => path),
  };
}
