import type { KeyListing } from '../copy/difference.js';
import { narrowListing } from '../copy/narrow-listing.js';
import { classifyKey } from '../sensu/keys/key-space.js';
import { entityStates } from '../sensu/resources/kinds.js';
import type { RecordedSettings } from './settings.js';

/** What the run carries of a store: with `--config-only` as if nothing else were in it. */
export function carriedOf(
  { configOnly }: Pick<RecordedSettings, 'configOnly'>,
  store: KeyListing,
): KeyListing {
  return configOnly ? narrowListing(store, isConfiguration) : store;
}

/**
 * What a person or a program has set up, and what tells the store from others. The state of an entity goes with its
 * configuration, for Sensu shows no entity that lacks one of them. What is not known might be configuration.
 */
export function isConfiguration(key: Buffer): boolean {
  const { kind, group } = classifyKey(key);
  return kind === 'configuration' || kind === 'unknown' || group === entityStates;
}
