import type { ApiResource } from '../../sensu/resources/api-value.js';
import { asApiShows } from '../../sensu/resources/secrets.js';
import type { DumpItem } from '../item.js';
import { fullName, isWanted, type Selection } from '../selection.js';
import type { SkipList } from '../skipped.js';

/** What gives resources as Sensu's API shows them: the API itself, or sensuctl. */
export interface ServerSource extends SkipList {
  resources(): AsyncIterable<ApiResource>;
}

const reasons = {
  permission: 'the user may not read it',
  licence: 'the backend has no licence for it',
  missing: 'this release of Sensu does not have it',
  unknown: 'it is not known where the API has it',
} as const;

/** What a server gives, as far as it is wanted, and then what it did not give. */
export async function* dumpServer(source: ServerSource, selection: Selection): AsyncGenerator<DumpItem> {
  for await (const given of source.resources()) {
    if (!isWanted(selection, given)) continue;
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
