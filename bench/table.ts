export interface Row {
  readonly what: string;
  readonly ours: string;
  readonly peer: string;
  readonly ratio: string;
  /** What the project promises, such as `<= 1.3`. */
  readonly wanted: string;
}

export function printTable(rows: readonly Row[]): void {
  const all: Row[] = [
    { what: '', ours: 'sensu-ferry', peer: 'beside', ratio: 'ratio', wanted: 'wanted' },
    ...rows,
  ];
  const width = (column: keyof Row): number => Math.max(...all.map((row) => row[column].length));
  for (const row of all) {
    const cells = [
      row.what.padEnd(width('what')),
      row.ours.padStart(width('ours')),
      row.peer.padStart(width('peer')),
      row.ratio.padStart(width('ratio')),
      row.wanted,
    ];
    console.log(cells.join('   ').trimEnd());
  }
}

export const seconds = (value: number): string => `${value.toFixed(2)} s`;
export const perSecond = (value: number): string => `${Math.round(value).toLocaleString('en-US')} keys/s`;
export const mebibytes = (value: number): string => `${Math.round(value)} MiB`;
