/**
 * What a dump holds. A whole number beyond 2^53 is a bigint, so that none loses digits; a text is never taken for
 * a number.
 */
export type DumpValue = null | boolean | number | bigint | string | readonly DumpValue[] | DumpObject;

/** Ask it with `Object.hasOwn` or `field`: a dump may name a key `constructor`. */
export interface DumpObject {
  readonly [key: string]: DumpValue;
}

export function isObject(value: DumpValue | undefined): value is DumpObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of a key that the object has itself. */
export function field(object: DumpObject, key: string): DumpValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** A whole number of any size, as a number where that holds it exactly. */
export function wholeNumber(digits: string): number | bigint {
  const value = Number(digits);
  if (!Number.isSafeInteger(value)) return BigInt(digits);
  return value === 0 ? 0 : value;
}

/** What a value is, in words for errors. */
export function describeKind(value: DumpValue | undefined): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'boolean') return 'true or false';
  return typeof value === 'object' ? 'a map' : 'a number';
}

/** Lists and maps in lists and maps. Sensu's own go some ten levels down. */
export const deepest = 100;
