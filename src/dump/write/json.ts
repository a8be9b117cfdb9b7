import {
  compareNames,
  isApiList,
  isApiObject,
  type ApiObject,
  type ApiResource,
  type ApiValue,
} from '../../sensu/resources/api-value.js';

/** The order in which Sensu's own type has its metadata; everything else is in the byte order of its names. */
const metadataOrder = ['name', 'namespace', 'labels', 'annotations', 'created_by'];

/** A resource in sensuctl's format wrapped-json, numbers of 64 bits in full. */
export function jsonDocument({ type, apiVersion, metadata, spec }: ApiResource): string {
  const names = [...metadataOrder, ...sortedNames(metadata).filter((name) => !metadataOrder.includes(name))];
  const present = names.filter((name) => Object.hasOwn(metadata, name));
  const parts = [
    `"type": ${jsonText(type)}`,
    `"api_version": ${jsonText(apiVersion)}`,
    `"metadata": ${jsonObject(metadata, present, '  ')}`,
    `"spec": ${json(spec, '  ')}`,
  ];
  return `${block('{', '}', parts, '')}\n`;
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
  return jsonObject(value, sortedNames(value), indent);
}

function jsonObject(object: ApiObject, names: readonly string[], indent: string): string {
  const entries = names.map((name) => `${jsonText(name)}: ${json(object[name]!, `${indent}  `)}`);
  return block('{', '}', entries, indent);
}

/** Objects of JavaScript have names that look like whole numbers in front, whatever was set first. */
function sortedNames(object: ApiObject): string[] {
  const names = Object.keys(object);
  for (let i = 1; i < names.length; i++) {
    if (compareNames(names[i - 1]!, names[i]!) > 0) return names.sort(compareNames);
  }
  return names;
}

function block(open: string, close: string, parts: readonly string[], indent: string): string {
  if (parts.length === 0) return open + close;
  return `${open}\n${indent}  ${parts.join(`,\n${indent}  `)}\n${indent}${close}`;
}

/** Go escapes two line separators that JSON allows. */
function jsonText(text: string): string {
  return JSON.stringify(text).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}
