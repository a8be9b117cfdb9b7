import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Permission } from '../../src/etcd/facets/auth.js';
import {
  covers,
  differenceOf,
  etcdRangeOf,
  keysOf,
  keysWith,
  sameRange,
  unionOf,
  type EtcdRange,
  type KeySet,
} from '../../src/rbac/ranges.js';
import type { KeyRange } from '../../src/store/view.js';
import { runs } from '../support/runs.js';

/** The model: etcd's ranges read key by key, over every key of up to four of these bytes. */
const alphabet = [0x00, 0x01, 0x2f, 0xff];
const bound = fc
  .array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 2 })
  .map((bytes) => Buffer.from(bytes));
const etcdRange: fc.Arbitrary<EtcdRange> = fc.oneof(
  fc.record({ key: bound }),
  fc.record({ key: bound, end: bound }),
  fc.record({ key: bound, end: fc.constant(Buffer.from([0])) }),
);
const etcdRanges = fc.array(etcdRange, { maxLength: 6 });

const everyKey: readonly Buffer[] = (() => {
  const keys: Buffer[] = [];
  const grow = (key: readonly number[]): void => {
    if (key.length > 0) keys.push(Buffer.from(key));
    if (key.length < 4) for (const byte of alphabet) grow([...key, byte]);
  };
  grow([]);
  return keys;
})();

function holds({ key: first, end }: EtcdRange, key: Buffer): boolean {
  if (end === undefined) return key.equals(first);
  const isFrom = Buffer.compare(first, key) <= 0;
  return end.equals(Buffer.from([0])) ? isFrom : isFrom && Buffer.compare(key, end) < 0;
}

function setOf(ranges: readonly EtcdRange[]): KeySet {
  return unionOf(ranges.map(keysOf).filter((range): range is KeyRange => range !== undefined));
}

function inSet(set: KeySet, key: Buffer): boolean {
  return set.some(
    ({ start, end }) =>
      Buffer.compare(start, key) <= 0 && (end === undefined || Buffer.compare(key, end) < 0),
  );
}

describe('ranges against a model that asks key by key', () => {
  test('a union holds the keys of its ranges and no other, sorted and apart', () => {
    fc.assert(
      fc.property(etcdRanges, (ranges) => {
        const set = setOf(ranges);
        for (const key of everyKey) {
          expect(inSet(set, key)).toBe(ranges.some((range) => holds(range, key)));
        }
        for (const [index, range] of set.entries()) {
          const next = set[index + 1];
          if (next !== undefined) expect(Buffer.compare(range.end!, next.start)).toBe(-1);
        }
      }),
      { numRuns: runs(60) },
    );
  });

  test('a difference holds the keys of the one that are not in the other', () => {
    fc.assert(
      fc.property(etcdRanges, etcdRanges, (from, taken) => {
        const left = differenceOf(setOf(from), setOf(taken));
        for (const key of everyKey) {
          const expected =
            from.some((range) => holds(range, key)) && !taken.some((range) => holds(range, key));
          expect(inSet(left, key)).toBe(expected);
        }
        expect(unionOf(left)).toEqual(left);
      }),
      { numRuns: runs(60) },
    );
  });

  test('a set covers a range when it holds each of its keys', () => {
    fc.assert(
      fc.property(etcdRanges, etcdRange, (ranges, asked) => {
        const keys = keysOf(asked);
        fc.pre(keys !== undefined);
        const expected = everyKey.every(
          (key) => !holds(asked, key) || ranges.some((range) => holds(range, key)),
        );
        expect(covers(setOf(ranges), keys)).toBe(expected);
      }),
      { numRuns: runs(200) },
    );
  });

  test('a range survives the way to keys and back', () => {
    fc.assert(
      fc.property(etcdRange, (range) => {
        const keys = keysOf(range);
        fc.pre(keys !== undefined);
        expect(keysOf(etcdRangeOf(keys))).toEqual(keys);
      }),
    );
  });
});

describe('ranges that etcd3 reads wrongly', () => {
  const key = Buffer.from('/sensu.io/');
  const fromKey: EtcdRange = { key, end: Buffer.from([0]) };

  test('a single key holds itself alone', () => {
    const set = setOf([{ key: Buffer.from('/a') }]);
    expect(covers(set, keysOf({ key: Buffer.from('/a') })!)).toBe(true);
    expect(covers(set, keysOf({ key: Buffer.from('/zzz') })!)).toBe(false);
  });

  test('a from-key range holds what comes after it, and not the key without the slash', () => {
    const set = setOf([fromKey]);
    expect(covers(set, keysOf({ key: Buffer.from('/sensu.io/x') })!)).toBe(true);
    expect(covers(set, keysOf({ key: Buffer.from('/zzz') })!)).toBe(true);
    expect(covers(set, keysOf({ key: Buffer.from('/sensu.io') })!)).toBe(false);
  });

  test('an empty end is no end, as gRPC sends it', () => {
    expect(sameRange({ key, end: Buffer.alloc(0) }, { key })).toBe(true);
    expect(keysOf({ key, end: Buffer.alloc(0) })).toEqual(keysOf({ key }));
  });

  test('an end before its start holds nothing', () => {
    expect(keysOf({ key: Buffer.from('b'), end: Buffer.from('a') })).toBeUndefined();
  });
});

test('read and write are told apart', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => Buffer.from(name)) as [Buffer, Buffer, Buffer];
  const permissions: Permission[] = [
    { access: 'read', key: a },
    { access: 'write', key: b },
    { access: 'readwrite', key: c },
  ];
  expect(keysWith('read', permissions).map(etcdRangeOf)).toEqual([{ key: a }, { key: c }]);
  expect(keysWith('write', permissions).map(etcdRangeOf)).toEqual([{ key: b }, { key: c }]);
});
