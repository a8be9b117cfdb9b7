import type { ApiObject, ApiValue } from '../../sensu/resources/api-value.js';

/** The value of a key that the object has itself: a dump may name a key `constructor`. */
export function field(object: ApiObject, key: string): ApiValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** A whole number of any size, as a number where that holds it exactly. */
export function wholeNumber(digits: string): number | bigint {
  const value = Number(digits);
  if (!Number.isSafeInteger(value)) return BigInt(digits);
  return value === 0 ? 0 : value;
}
