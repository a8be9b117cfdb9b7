import { parse, stringify } from 'lossless-json';
import { parseNumber, type ApiValue } from '../resources/api-value.js';

/**
 * Reads JSON without rounding: Sensu writes numbers of 64 bits, such as the ids of etcd's members, as JSON numbers;
 * those that a double cannot hold are bigint. Undefined for what is no JSON; the parser's own error would quote it.
 */
export function parseJson(text: string): ApiValue | undefined {
  try {
    return parse(text, undefined, parseNumber) as ApiValue;
  } catch {
    // Text nested too deep for the stack counts as none, too.
    return undefined;
  }
}

export function formatJson(value: ApiValue): string {
  return stringify(value) ?? 'null';
}
