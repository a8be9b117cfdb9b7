/** Changes between two stores by kind. */
export interface ChangeCounts {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
}

export function sumOf({ added, removed, changed }: ChangeCounts): number {
  return added + removed + changed;
}
