import type { Permission } from '../etcd/facets/auth.js';
import type { KeyRange } from '../store/view.js';

/** The range of a permission or a request, in etcd's own form. */
export type EtcdRange = Pick<Permission, 'key' | 'end'>;

/** Ranges in byte order that neither overlap nor touch: each set of keys has one such list. */
export type KeySet = readonly KeyRange[];

const zero = Buffer.from([0]);

/**
 * The keys of a range as etcd reads it: no end, or an empty one, is the single key; the end `\0` is every key
 * from there on. etcd3's own `Range.includes` is wrong on both, hence this file. Undefined when no key can lie
 * in the range.
 */
export function keysOf(range: EtcdRange): KeyRange | undefined {
  if (range.end === undefined || range.end.length === 0) {
    return { start: range.key, end: Buffer.concat([range.key, zero]) };
  }
  if (range.end.equals(zero)) return { start: range.key };
  return Buffer.compare(range.key, range.end) < 0 ? { start: range.key, end: range.end } : undefined;
}

/** Etcd's form of a range of keys. */
export function etcdRangeOf(keys: KeyRange): EtcdRange {
  if (keys.end === undefined) return { key: keys.start, end: zero };
  return isSingleKey(keys) ? { key: keys.start } : { key: keys.start, end: keys.end };
}

/** True when both name the same range, in the same form. */
export function sameRange(a: EtcdRange, b: EtcdRange): boolean {
  return a.key.equals(b.key) && (a.end ?? Buffer.alloc(0)).equals(b.end ?? Buffer.alloc(0));
}

/** All keys that are in one of the ranges. */
export function unionOf(ranges: Iterable<KeyRange>): KeySet {
  const sorted = [...ranges]
    .filter((range) => !isEmpty(range))
    .sort((a, b) => Buffer.compare(a.start, b.start));
  const merged: KeyRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || (last.end !== undefined && Buffer.compare(last.end, range.start) < 0)) {
      merged.push(range);
    } else {
      merged[merged.length - 1] = rangeTo(last.start, laterEnd(last.end, range.end));
    }
  }
  return merged;
}

/** The keys of `from` that are not in `taken`. */
export function differenceOf(from: KeySet, taken: KeySet): KeySet {
  return from.flatMap((range) => {
    const left: KeyRange[] = [];
    let start: Buffer | undefined = range.start;
    for (const hole of taken) {
      if (start === undefined) break;
      if (hole.end !== undefined && Buffer.compare(hole.end, start) <= 0) continue;
      if (range.end !== undefined && Buffer.compare(hole.start, range.end) >= 0) break;
      if (Buffer.compare(start, hole.start) < 0) left.push({ start, end: hole.start });
      start = hole.end;
    }
    const rest = start === undefined ? undefined : rangeTo(start, range.end);
    return rest === undefined || isEmpty(rest) ? left : [...left, rest];
  });
}

/** True when every key of the range is in the set. */
export function covers(set: KeySet, range: KeyRange): boolean {
  return differenceOf(unionOf([range]), set).length === 0;
}

/** The keys that the permissions let be read, or written. */
export function keysWith(access: 'read' | 'write', permissions: Iterable<Permission>): KeySet {
  const ranges: KeyRange[] = [];
  for (const permission of permissions) {
    const range = keysOf(permission);
    if (range !== undefined && (permission.access === access || permission.access === 'readwrite')) {
      ranges.push(range);
    }
  }
  return unionOf(ranges);
}

/** Whether the permissions reach as far as the one. */
export function holds(permissions: readonly Permission[], wanted: Permission): boolean {
  const keys = keysOf(wanted)!;
  return (['read', 'write'] as const).every(
    (access) =>
      (wanted.access !== access && wanted.access !== 'readwrite') ||
      covers(keysWith(access, permissions), keys),
  );
}

function isEmpty(range: KeyRange): boolean {
  return range.end !== undefined && Buffer.compare(range.start, range.end) >= 0;
}

function isSingleKey(range: KeyRange): boolean {
  return range.end?.equals(Buffer.concat([range.start, zero])) === true;
}

function rangeTo(start: Buffer, end: Buffer | undefined): KeyRange {
  return end === undefined ? { start } : { start, end };
}

function laterEnd(a: Buffer | undefined, b: Buffer | undefined): Buffer | undefined {
  if (a === undefined || b === undefined) return undefined;
  return Buffer.compare(a, b) >= 0 ? a : b;
}
