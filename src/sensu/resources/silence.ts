import { integerAt, type ApiObject, type ApiResource } from './api-value.js';

/** Seconds since 1970 at which a silence ends; 0n for one without an end. */
export function endOfSilence(spec: ApiObject): bigint {
  return integerAt(spec, 'expire_at');
}

/** Whether Sensu no longer shows a silence, and deletes it: when less than a whole second of it is left. */
export function hasEnded({ type, spec }: ApiResource, at: Date): boolean {
  if (type !== 'Silenced') return false;
  const end = endOfSilence(spec);
  return end > 0n && Number(end) * 1000 - at.getTime() < 1000;
}

/** Whether a silence lasts until somebody deletes it. One that gives its length alone ends when that has passed. */
export function isEndless(spec: ApiObject): boolean {
  return endOfSilence(spec) <= 0n && integerAt(spec, 'expire') <= 0n;
}

/**
 * A stored silence as Sensu's API shows it: one without an end has the length -1, whatever is stored. Sensu 5 gave
 * silences their end by a lease; of those the stored length is the best that is known.
 */
export function silenceAsShown(resource: ApiResource, isLeased: boolean): ApiResource {
  const { type, spec } = resource;
  if (type !== 'Silenced' || isLeased || endOfSilence(spec) > 0n) return resource;
  return { ...resource, spec: { ...spec, expire: -1n } };
}
