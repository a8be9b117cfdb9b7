import { toApiResource } from '../../sensu/resources/to-api-resource.js';
import { MalformedValueError } from '../../protobuf/protobuf.js';
import { hasEnded } from '../../sensu/resources/silence.js';
import type { KeyChange } from './compare.js';
import { describeKeyChange } from './resource-change.js';

/**
 * Whether a change is one of what somebody has set up, and not one that a Sensu at work makes by itself: events, what
 * agents report, a silence that has ended and was deleted, a resource that was stored again with the same content.
 * What is not known might be configuration.
 */
export function isChangeOfConfiguration(change: KeyChange, now: Date): boolean {
  const { kind } = change.class;
  if (change.ephemeral || (kind !== 'configuration' && kind !== 'unknown')) return false;
  if (change.change !== 'changed') return !isEndedSilence(change, now);
  const { kind: resource, fields, unreadable } = describeKeyChange(change);
  return resource === undefined || unreadable || fields.length > 0;
}

function isEndedSilence(change: KeyChange, now: Date): boolean {
  if (change.class.group !== '/sensu.io/silenced/') return false;
  try {
    const stored = toApiResource(change.class, (change.left ?? change.right)!);
    return stored !== undefined && hasEnded(stored.resource, now);
  } catch (error) {
    if (error instanceof MalformedValueError) return false;
    throw error;
  }
}
