import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyDifference, type AppliedDifference } from '../../src/copy/apply-difference.js';
import { planDifference, type KeyListing, type KeyState } from '../../src/copy/difference.js';
import { planLoad } from '../../src/copy/load-plan.js';
import { applyLoad } from '../../src/copy/load.js';
import { verifyCopy } from '../../src/copy/verify-copy.js';
import type { Revision, StoreView } from '../../src/store/view.js';
import { leaseId, MemoryEtcd, MemoryKeeper, memoryView, type Wanted } from '../support/memory-etcd.js';
import { silentContext } from '../support/silent-context.js';
import { runs } from '../support/runs.js';

async function carry(
  before: StoreView,
  now: KeyListing,
  between: (etcd: MemoryEtcd) => void = () => undefined,
): Promise<{
  readonly etcd: MemoryEtcd;
  readonly applied: AppliedDifference;
  readonly keeper: MemoryKeeper;
}> {
  const context = silentContext();
  const etcd = new MemoryEtcd();
  const keeper = new MemoryKeeper();
  await applyLoad(context, etcd, before, await planLoad(context, etcd, before), keeper);
  between(etcd);
  const difference = await planDifference(before, now);
  const applied = await applyDifference(context, etcd, now, difference, keeper);
  await verifyCopy(context, etcd, now);
  return { etcd, applied, keeper };
}

const listed = (name: string, modRevision: bigint): KeyState => ({
  key: Buffer.from(name),
  modRevision: modRevision as Revision,
  lease: undefined,
});

const key = (n: number): string => `/sensu.io/k${String(n).padStart(4, '0')}`;

describe('difference', () => {
  it('carries puts, deletions and empty values, and reads nothing else of the newer store', async () => {
    const unchanged = Array.from({ length: 2000 }, (_, i): Wanted => ({ key: key(i), value: 'same' }));
    const before = memoryView(unchanged, [], 10n);
    const changed: Wanted[] = [
      ...unchanged.slice(0, 100),
      { key: key(100), value: '', modRevision: 12n },
      ...unchanged.slice(102),
      { key: key(5000), value: 'new', modRevision: 13n },
    ];
    const view = memoryView(changed, [], 13n);
    let valuesRead = 0;
    let wholeReads = 0;
    const now: KeyListing = {
      ...view,
      file: { keys: () => [changed.map(({ key: name, modRevision = 2n }) => listed(name, modRevision))] },
      entries: async function* (range) {
        if (range?.start.equals(Buffer.from('/sensu.io/')) === true) wholeReads += 1;
        else for await (const batch of view.entries(range)) valuesRead += batch.length;
        yield* view.entries(range);
      },
    };
    const { applied } = await carry(before, now);
    expect(applied).toMatchObject({ put: 2, deleted: 1, recovered: 0 });
    // Each changed key twice, to put it and to prove it; the whole once, by the test's own verification.
    expect(valuesRead).toBe(4);
    expect(wholeReads).toBe(1);
  });

  it('moves keys between leases without losing them to the lease that ends', async () => {
    const before = memoryView(
      [
        { key: key(1), lease: 1n },
        { key: key(2), lease: 1n },
        { key: key(3), lease: 2n },
        { key: key(4), lease: 2n },
      ],
      [
        [1n, 10n],
        [2n, 20n],
      ],
      10n,
    );
    const now = memoryView(
      [
        { key: key(1), lease: 2n, modRevision: 11n },
        { key: key(2), modRevision: 12n },
        { key: key(3), lease: 2n },
        { key: key(5), lease: 3n, modRevision: 13n },
      ],
      [
        [2n, 20n],
        [3n, 30n],
      ],
      14n,
    );
    const { etcd, keeper } = await carry(before, now);
    expect([...etcd.granted].sort()).toEqual([
      [2n, 20n],
      [3n, 30n],
    ]);
    expect([...keeper.held].sort()).toEqual([2n, 3n]);
  });

  it('gives a lease that was granted again its new TTL, with its keys', async () => {
    const before = memoryView([{ key: key(1), lease: 1n }], [[1n, 10n]], 10n);
    const now = memoryView(
      [
        { key: key(1), modRevision: 12n },
        { key: key(2), lease: 1n, modRevision: 13n },
      ],
      [[1n, 60n]],
      13n,
    );
    const { etcd } = await carry(before, now);
    expect([...etcd.granted]).toEqual([[1n, 60n]]);
  });

  it('brings back a lease that ended on the target, with keys that did not change', async () => {
    const keys: Wanted[] = [{ key: key(1), value: 'x', lease: 1n }, { key: key(2) }];
    const { applied } = await carry(
      memoryView(keys, [[1n, 10n]], 10n),
      memoryView(keys, [[1n, 10n]], 11n),
      (etcd) => {
        void etcd.revokeLease(leaseId(1n));
      },
    );
    expect(applied).toMatchObject({ put: 0, recovered: 1 });
  });

  it('refuses a store that is not a later state of the one that was loaded', async () => {
    const before = memoryView([{ key: key(1), modRevision: 5n }], [], 10n);
    await expect(planDifference(before, memoryView([], [], 9n))).rejects.toMatchObject({
      code: 'NOT_THE_SAME_STORE',
      kind: 'integrity',
    });
    await expect(
      planDifference(before, memoryView([{ key: key(1), modRevision: 6n }], [], 12n)),
    ).rejects.toMatchObject({ code: 'NOT_THE_SAME_STORE' });
    await expect(
      planDifference(before, memoryView([{ key: key(2), modRevision: 5n }], [], 12n)),
    ).rejects.toMatchObject({ code: 'NOT_THE_SAME_STORE' });
  });

  it('fails when the target holds something that neither store has', async () => {
    const keys: Wanted[] = [{ key: key(1) }];
    const work = carry(memoryView(keys), memoryView(keys, [], 101n), (etcd) => {
      etcd.put('/sensu.io/foreign', '');
    });
    await expect(work).rejects.toMatchObject({ code: 'DIFFERENCE_NOT_APPLIED', kind: 'integrity' });
  });

  it('takes any store to any later state of it', async () => {
    const operation = fc.record({
      key: fc.nat(40),
      value: fc.string({ maxLength: 4 }),
      lease: fc.option(fc.nat(3), { nil: undefined }),
      act: fc.constantFrom('put', 'put', 'put', 'delete', 'revoke', 'regrant'),
    });
    const history = fc.array(operation, { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(history, history, async (earlier, later) => {
        const source = new SourceModel();
        earlier.forEach((each) => {
          source.run(each);
        });
        const before = source.view();
        later.forEach((each) => {
          source.run(each);
        });
        await carry(before, source.view());
      }),
      { numRuns: runs(200) },
    );
  });
});

interface Operation {
  readonly key: number;
  readonly value: string;
  readonly lease: number | undefined;
  readonly act: string;
}

/** etcd's rules for keys and leases, as the source's own history. */
class SourceModel {
  readonly #keys = new Map<string, Wanted>();
  readonly #leases = new Map<bigint, bigint>();
  #revision = 1n;

  run({ key: n, value, lease, act }: Operation): void {
    const id = lease === undefined ? undefined : BigInt(lease + 1);
    this.#revision += 1n;
    if (act === 'delete') this.#keys.delete(key(n));
    else if (act === 'put') {
      if (id !== undefined && !this.#leases.has(id)) this.#leases.set(id, 10n);
      this.#keys.set(key(n), {
        key: key(n),
        value,
        ...(id !== undefined && { lease: id }),
        modRevision: this.#revision,
      });
    } else if (id !== undefined) {
      for (const [name, entry] of this.#keys) if (entry.lease === id) this.#keys.delete(name);
      this.#leases.delete(id);
      if (act === 'regrant') this.#leases.set(id, 10n + this.#revision);
    }
  }

  view(): StoreView {
    return memoryView([...this.#keys.values()], [...this.#leases], this.#revision, 7);
  }
}
