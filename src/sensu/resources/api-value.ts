/** A value as Sensu's API has it in JSON. Numbers of 64 bits are bigint, whatever their size. */
export type ApiValue = string | number | bigint | boolean | null | readonly ApiValue[] | ApiObject;

export interface ApiObject {
  readonly [name: string]: ApiValue;
}

/** A resource as the API gives it, and sensuctl writes it: what is in `metadata` is not in `spec`. */
export interface ApiResource {
  /** Such as `CheckConfig`. */
  readonly type: string;
  /** Such as `core/v2`. */
  readonly apiVersion: string;
  readonly metadata: ApiObject;
  readonly spec: ApiObject;
}

/** An object that may still be written to. */
export type DraftObject = Record<string, ApiValue>;

/** Names come from users: `__proto__` is one like any other, and must not change what the object is. */
export function setOwn(object: DraftObject, name: string, value: ApiValue): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
  } else object[name] = value;
}

export function isApiObject(value: ApiValue | undefined): value is ApiObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isApiList(value: ApiValue | undefined): value is readonly ApiValue[] {
  return Array.isArray(value);
}

/** The object at a name, or an empty one. */
export function objectAt(object: ApiObject, name: string): ApiObject {
  const value = object[name];
  return isApiObject(value) ? value : {};
}

/** The text at a name, or an empty one. */
export function textAt(object: ApiObject, name: string): string {
  const value = object[name];
  return typeof value === 'string' ? value : '';
}

/** The whole number at a name, or 0n. */
export function integerAt(object: ApiObject, name: string): bigint {
  const value = object[name];
  if (typeof value === 'bigint') return value;
  return Number.isInteger(value) ? BigInt(value as number) : 0n;
}

/** The list at a name, or an empty one. */
export function listAt(object: ApiObject, name: string): readonly ApiValue[] {
  const value = object[name];
  return isApiList(value) ? value : [];
}

const beyondBasicPlane = /[\ud800-\udfff]/;

/** The order of UTF-8 bytes, which is Go's. That of JavaScript differs where a character has a surrogate. */
export function compareNames(a: string, b: string): number {
  if (beyondBasicPlane.test(a) || beyondBasicPlane.test(b))
    return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

export function without(object: ApiObject, names: readonly string[]): ApiObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

/** A number of JSON, from its digits: bigint where a double cannot hold a whole one. */
export function parseNumber(text: string): number | bigint {
  const number = Number(text);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(number) ? BigInt(text) : number;
}
