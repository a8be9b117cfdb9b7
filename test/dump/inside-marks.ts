import { expect } from 'vitest';

/** What a dump in YAML holds between the comments that tell whether it is whole; their count is right. */
export function insideMarks(dump: string): string {
  const form =
    /^# Dump by sensu-ferry\. It is whole if its last line says "End of dump"\.\n([\s\S]*)# End of dump: (\d+) resources?\.\n$/;
  const [, inside = '', count] = form.exec(dump) ?? [];
  expect(inside.match(/^type: /gm) ?? []).toHaveLength(Number(count));
  return inside;
}
