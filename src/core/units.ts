const binaryUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes for a person, such as `19.1 MiB`. */
export function formatBytes(bytes: number | bigint): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < binaryUnits.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? String(value) : value.toFixed(1)} ${binaryUnits[unit]!}`;
}

/** A count with thousands set apart, such as `148,883`. Not by the locales' data, which take 15 ms to load. */
export function formatCount(count: number | bigint): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A count and what is counted, such as `1 key`, `1,200 keys` or, with its own plural, `2 entries`. */
export function formatCounted(count: number | bigint, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${BigInt(count) === 1n ? one : many}`;
}

/** The first of many names and how many more there are, such as `a, b and 1,200 more`. */
export function formatSome(first: readonly string[], total: number | bigint): string {
  const more = BigInt(total) - BigInt(first.length);
  return `${first.join(', ')}${more > 0n ? ` and ${formatCount(more)} more` : ''}`;
}

/** A span of milliseconds for a person, such as `0.8 s` or `2 min 05 s`. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** Ids of etcd as etcd and Sensu print them. Negative ids are shown as the 64 bits they are. */
export function formatId(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}
