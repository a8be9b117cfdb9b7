import { objectAt, textAt, type ApiResource } from '../sensu/resources/api-value.js';
import { asApiShows } from '../sensu/resources/secrets.js';
import type { DumpItem } from './item.js';
import { fullName, type Selection } from './selection.js';
import type { SkipList } from './skipped.js';

/** What gives resources as Sensu's API shows them: the API itself, or sensuctl. */
export interface ServerSource extends SkipList {
  resources(): AsyncIterable<ApiResource>;
}

const reasons = {
  permission: 'the user may not read it',
  licence: 'the backend has no licence for it',
  missing: 'this release of Sensu does not have it',
} as const;

/** Whether a type, as a resource or a route names it, is to be in the dump. */
export function isWanted(selection: Selection, named: Pick<ApiResource, 'type' | 'apiVersion'>): boolean {
  const name = fullName(named);
  const isCore = selection.kinds.some((kind) => fullName(kind) === name);
  return isCore || (!name.startsWith('core/v2.') && selection.hasEnterprise(name));
}

/** What a server gives, as far as it is wanted, and then what it did not give. */
export async function* dumpServer(source: ServerSource, selection: Selection): AsyncGenerator<DumpItem> {
  for await (const given of source.resources()) {
    if (!isWanted(selection, given) || isElsewhere(given, selection.namespace)) continue;
    const { type, apiVersion, metadata, spec } = asApiShows(given);
    const resource = { type, apiVersion, metadata, spec };
    const commercial = !apiVersion.startsWith('core/');
    yield { is: 'resource', resource, commercial, isMasked: true, unknown: [], hidden: [] };
  }
  for (const skipped of source.skipped) {
    if (!isWanted(selection, skipped)) continue;
    const { readIn = [] } = skipped;
    const elsewhere = readIn.length === 0 ? '' : ` but in ${readIn.join(', ')}`;
    yield { is: 'skipped', type: fullName(skipped), why: `${reasons[skipped.reason]}${elsewhere}` };
  }
}

/** Some events do not say themselves which namespace they are in; their entity does. */
function isElsewhere({ metadata, spec }: ApiResource, namespace: string | undefined): boolean {
  const own =
    textAt(metadata, 'namespace') || textAt(objectAt(objectAt(spec, 'entity'), 'metadata'), 'namespace');
  return namespace !== undefined && own !== '' && own !== namespace;
}
