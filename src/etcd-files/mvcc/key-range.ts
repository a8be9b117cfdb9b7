import type { KeyRange } from '../../store/types.js';

/** etcd's two forms of a range in one: no end is the single key, an end of one zero byte the rest of the keys. */
export function rangeOf(key: Buffer, end: Buffer): KeyRange {
  if (end.length === 0) return { start: key, end: Buffer.concat([key, Buffer.of(0)]) };
  if (end.length === 1 && end[0] === 0) return { start: key };
  return { start: key, end };
}

const noEnd = Buffer.alloc(0);

/** Whether the range holds no other key than the one that it begins with. */
export function isSingleKey({ start, end }: KeyRange): boolean {
  return (
    end?.length === start.length + 1 &&
    end[start.length] === 0 &&
    end.compare(start, 0, start.length, 0, start.length) === 0
  );
}

export function singleKeyRange(key: Buffer): KeyRange {
  return rangeOf(key, noEnd);
}
