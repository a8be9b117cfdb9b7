export interface Column {
  readonly head: string;
  /** Numbers end in line. */
  readonly numeric?: boolean;
}

/** Columns in line. No rows, no table. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return [];
  const widths = columns.map(({ head }, index) =>
    Math.max(head.length, ...rows.map((row) => row[index]!.length)),
  );
  return [columns.map(({ head }) => head), ...rows].map((row) =>
    row
      .map((cell, index) =>
        columns[index]!.numeric === true ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** Parts of several lines with an empty one between them. */
export function apart(parts: readonly (readonly string[])[]): readonly string[] {
  return parts.flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]));
}
