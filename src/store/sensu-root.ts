import type { KeyRange } from './view.js';

/** Everything that Sensu keeps: the keys that begin with `/sensu.io/`. The prefix ends before `0`, the byte after `/`. */
export const sensuRoot: Required<KeyRange> = {
  start: Buffer.from('/sensu.io/'),
  end: Buffer.from('/sensu.io0'),
};

/** Sensu makes it once, at the first start, and never changes it. */
export const clusterIdKey = Buffer.from('/sensu.io/cluster_id');

/** Each backend that runs has a key below it with a lease of its own, and a new one after each start. */
export const backendsPrefix = Buffer.from('/sensu.io/backends/');

/** The range of all keys that begin with the bytes of `prefix`; of all keys when it is empty. */
export function prefixRange(prefix: Buffer): KeyRange {
  let last = prefix.length - 1;
  while (last >= 0 && prefix[last] === 0xff) last -= 1;
  if (last < 0) return { start: prefix };
  const end = Buffer.from(prefix.subarray(0, last + 1));
  end[last]! += 1;
  return { start: prefix, end };
}

/** The one key. */
export function singleKey(key: Buffer): Required<KeyRange> {
  return { start: key, end: Buffer.concat([key, Buffer.of(0)]) };
}
