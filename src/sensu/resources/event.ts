import { objectAt, textAt, type ApiObject } from './api-value.js';

/** Of whom an event tells what. */
export interface EventParts {
  readonly entity: string;
  /** Empty for an event that holds metrics alone. */
  readonly check: string;
}

export function eventParts(spec: ApiObject): EventParts {
  const nameOf = (part: string): string => textAt(objectAt(objectAt(spec, part), 'metadata'), 'name');
  return { entity: nameOf('entity'), check: nameOf('check') };
}

/** Whether an event is the sign of life of an agent: Sensu takes it for one whoever sends it, and whenever. */
export function isKeepalive(spec: ApiObject): boolean {
  return eventParts(spec).check === 'keepalive';
}
