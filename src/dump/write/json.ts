import {
  isApiList,
  isApiObject,
  type ApiObject,
  type ApiResource,
  type ApiValue,
} from '../../sensu/resources/api-value.js';

/** The order in which Sensu's own type has its metadata; everything else is in the order of its names. */
const metadataOrder = ['name', 'namespace', 'labels', 'annotations', 'created_by'];

/** A resource in sensuctl's format wrapped-json, numbers of 64 bits in full. */
export function jsonDocument({ type, apiVersion, metadata, spec }: ApiResource): string {
  const ordered = Object.fromEntries(
    [...metadataOrder, ...Object.keys(metadata).filter((name) => !metadataOrder.includes(name))]
      .filter((name) => Object.hasOwn(metadata, name))
      .map((name) => [name, metadata[name]!]),
  );
  const document: ApiObject = { type, api_version: apiVersion, metadata: ordered, spec };
  return `${json(document, '')}\n`;
}

function json(value: ApiValue, indent: string): string {
  if (typeof value === 'string') return jsonText(value);
  if (isApiList(value))
    return block(
      '[',
      ']',
      value.map((item) => json(item, `${indent}  `)),
      indent,
    );
  if (!isApiObject(value)) return String(value);
  const entries = Object.keys(value).map((name) => `${jsonText(name)}: ${json(value[name]!, `${indent}  `)}`);
  return block('{', '}', entries, indent);
}

function block(open: string, close: string, parts: readonly string[], indent: string): string {
  if (parts.length === 0) return open + close;
  return `${open}\n${indent}  ${parts.join(`,\n${indent}  `)}\n${indent}${close}`;
}

/** Go escapes two line separators that JSON allows. */
function jsonText(text: string): string {
  return JSON.stringify(text).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}
