import type { KeyRange, Lease, LeaseId, Revision, StoreView } from '../../../src/store/view.js';

/** A store in memory, for keys below `/sensu.io/`. Values are handed out a few at a time. */
export function memoryStore(
  values: Readonly<Record<string, Buffer | string>>,
  leased: Readonly<Record<string, bigint>> = {},
): StoreView {
  const leases: Lease[] = Object.values(leased).map((id) => ({ id: id as LeaseId, ttl: 60n }));
  const entries = Object.entries(values)
    .map(([key, value]) => ({
      key: Buffer.from(`/sensu.io/${key}`),
      value: Buffer.from(value as string),
      createRevision: 1n as Revision,
      modRevision: 1n as Revision,
      version: 1n,
      lease: leased[key] as LeaseId | undefined,
    }))
    .sort((a, b) => a.key.compare(b.key));
  return {
    revision: 7n as Revision,
    leases: () => Promise.resolve(leases),
    // eslint-disable-next-line @typescript-eslint/require-await -- a view is read asynchronously
    entries: async function* (range?: KeyRange) {
      const wanted = entries.filter(({ key }) => isWithin(key, range));
      for (let at = 0; at < wanted.length; at += 2) yield wanted.slice(at, at + 2);
    },
  };
}

function isWithin(key: Buffer, range: KeyRange | undefined): boolean {
  if (range === undefined) return true;
  return key.compare(range.start) >= 0 && (range.end === undefined || key.compare(range.end) < 0);
}
