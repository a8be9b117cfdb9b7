import { showResource } from './resource.js';

/**
 * The resource that a text is about, as far as can be told of one that cannot be parsed: by its lines, laid out as
 * programs lay out YAML and JSON. Undefined where they do not tell.
 */
export function resourceNamedIn(text: string): string | undefined {
  // Not by the flag m, to which U+2028 begins a line too.
  const lines = text.split('\n');
  const type = valueOf(lines, 'type');
  const own = linesOfMetadata(lines);
  const name = valueOf(own, 'name');
  if (!/^\w+$/.test(type) || name === '') return undefined;
  return showResource({
    type,
    apiVersion: 'core/v2',
    namespace: valueOf(own, 'namespace') || undefined,
    name,
  });
}

/** What stands right below `metadata:`, and not below a key of it. */
function linesOfMetadata(lines: readonly string[]): readonly string[] {
  const at = lines.findIndex((line) => /^\s*"?metadata"?:/.test(line));
  if (at === -1) return [];
  const outer = indentOf(lines[at]!);
  const inner = indentOf(lines[at + 1] ?? '');
  const below = lines.slice(at + 1);
  const end = below.findIndex((line) => line.trim() !== '' && indentOf(line) <= outer);
  return below.slice(0, end === -1 ? undefined : end).filter((line) => indentOf(line) === inner);
}

function indentOf(line: string): number {
  return /^ */.exec(line)![0].length;
}

/** Of a line such as `name: disk` or `"name": "disk",`. */
function valueOf(lines: readonly string[], key: string): string {
  const form = new RegExp(`^ *"?${key}"?: *(?:"([^"]*)"|'([^']*)'|([^"'][^,]*)),?\\s*$`);
  const found = lines.map((line) => form.exec(line)).find((match) => match !== null);
  const [, inDouble, inSingle, plain] = found ?? [];
  return (inDouble ?? inSingle ?? plain ?? '').trim();
}
