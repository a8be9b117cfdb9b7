import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeByKey, pairByKey } from '../../src/store/merge-by-key.js';

interface Item {
  readonly key: Buffer;
}

const keys = fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 2, max: 3 }), {
  selector: (bytes) => Buffer.from(bytes).toString('hex'),
});

const sorted = (all: readonly Uint8Array[]): Item[] =>
  all.map((bytes) => ({ key: Buffer.from(bytes) })).sort((a, b) => a.key.compare(b.key));

async function* inBatches(items: readonly Item[], size: number): AsyncGenerator<readonly Item[]> {
  yield await Promise.resolve([]);
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}

describe('merging two stores by key', () => {
  it('pairs each key once and in order, however the batches fall', async () => {
    await fc.assert(
      fc.asyncProperty(keys, keys, fc.integer({ min: 1, max: 4 }), async (a, b, size) => {
        const left = sorted(a);
        const right = sorted(b);
        const merged = [];
        for await (const pairs of mergeByKey(inBatches(left, size), inBatches(right, size + 1))) {
          merged.push(...pairs);
        }
        expect(merged).toEqual(pairByKey(left, right));
        expect(merged.flatMap((pair) => pair.left ?? [])).toEqual(left);
        expect(merged.flatMap((pair) => pair.right ?? [])).toEqual(right);
        const order = merged.map(({ key }) => key.toString('latin1'));
        expect(order).toEqual([...new Set(order)].sort());
      }),
    );
  });

  it('lets go of both sources when its reader stops early', async () => {
    let closed = 0;
    async function* source(): AsyncGenerator<readonly Item[]> {
      try {
        for (let i = 0; i < 10; i += 1) yield await Promise.resolve([{ key: Buffer.of(i) }]);
      } finally {
        closed += 1;
      }
    }
    for await (const pairs of mergeByKey(source(), source())) {
      expect(pairs).toHaveLength(1);
      break;
    }
    expect(closed).toBe(2);
  });
});
