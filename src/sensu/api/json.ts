import { parse, stringify } from 'lossless-json';

/** What JSON holds, with whole numbers beyond 2^53 as bigint. */
export type JsonValue =
  string | number | bigint | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };

export type JsonObject = Readonly<Record<string, JsonValue>>;

/**
 * Reads JSON without rounding: Sensu writes numbers of 64 bits, such as the ids of etcd's members, as JSON numbers.
 * Undefined for what is no JSON; the parser's own error would quote it.
 */
export function parseJson(text: string): JsonValue | undefined {
  try {
    return parse(text, undefined, parseNumber) as JsonValue;
  } catch {
    // Text nested too deep for the stack counts as none, too.
    return undefined;
  }
}

function parseNumber(digits: string): number | bigint {
  const value = Number(digits);
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(digits) ? value : BigInt(digits);
}

export function formatJson(value: JsonValue): string {
  return stringify(value) ?? 'null';
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
