import { describe, expect, it } from 'vitest';
import { planLoad, type LoadOptions } from '../../src/copy/load-plan.js';
import { applyLoad, type LoadResult } from '../../src/copy/load.js';
import { verifyCopy } from '../../src/copy/verify-copy.js';
import type { StoreView } from '../../src/store/view.js';
import {
  failure,
  leaseId,
  MemoryEtcd,
  MemoryKeeper,
  memoryView,
  type Wanted,
} from '../support/memory-etcd.js';
import { silentContext } from '../support/silent-context.js';

async function load(
  etcd: MemoryEtcd,
  source: StoreView,
  options: LoadOptions = {},
  keeper = new MemoryKeeper(),
): Promise<LoadResult> {
  const context = silentContext();
  const plan = await planLoad(context, etcd, source, options);
  return applyLoad(context, etcd, source, plan, keeper);
}

const manyKeys = (count: number): Wanted[] =>
  Array.from({ length: count }, (_, i) => ({
    key: `/sensu.io/events/default/${String(i).padStart(6, '0')}`,
    value: `value ${i}`,
  }));

const withLeases = memoryView(
  [
    { key: '/sensu.io/a', value: 'kept' },
    { key: '/sensu.io/b', value: 'leased', lease: 7n },
    { key: '/sensu.io/c', value: '', lease: 7n },
    { key: '/sensu.io/d', value: 'of a lease that is gone', lease: 99n },
    { key: '/sensu.io/e', value: '' },
  ],
  [
    [7n, 10n],
    [8n, 60n],
  ],
);

describe('load', () => {
  it('brings values, empty ones too, and every lease with its keys', async () => {
    const etcd = new MemoryEtcd();
    const keeper = new MemoryKeeper();
    const result = await load(etcd, withLeases, {}, keeper);
    expect(result).toMatchObject({ written: 5, deleted: 0 });
    expect([...etcd.granted]).toEqual([
      [leaseId(7n), 10n],
      [leaseId(8n), 60n],
    ]);
    expect([...keeper.held].sort()).toEqual([7n, 8n]);
    const found = [...etcd.keys.values()].map(({ key, value, lease }) => [String(key), String(value), lease]);
    expect(found.sort()).toEqual([
      ['/sensu.io/a', 'kept', undefined],
      ['/sensu.io/b', 'leased', 7n],
      ['/sensu.io/c', '', 7n],
      ['/sensu.io/d', 'of a lease that is gone', undefined],
      ['/sensu.io/e', '', undefined],
    ]);
    const verified = await verifyCopy(silentContext(), etcd, withLeases);
    expect(verified.source).toEqual(verified.target);
    expect(verified.source).toMatchObject({ lastingKeys: 3, ephemeralKeys: 2 });
  });

  it('grants leases after the last lasting key is written', async () => {
    const etcd = new MemoryEtcd();
    etcd.beforeTxn = ({ writes }) => {
      const leased = writes.some((write) => write.type === 'put' && write.lease !== undefined);
      expect(etcd.granted.size > 0).toBe(leased);
    };
    await load(etcd, memoryView([...manyKeys(500), { key: '/sensu.io/a', lease: 7n }], [[7n, 10n]]));
    expect(etcd.keys.size).toBe(501);
  });

  it('keeps to the limits of a transaction', async () => {
    const etcd = new MemoryEtcd();
    const large = (key: string, size: number): Wanted => ({ key, value: Buffer.alloc(size, 1) });
    const source = memoryView([
      ...manyKeys(300),
      large('/sensu.io/x1', 900_000),
      large('/sensu.io/x2', 900_000),
      large('/sensu.io/x3', 1_500_000),
    ]);
    await load(etcd, source);
    expect(etcd.keys.size).toBe(303);
    expect(etcd.transactions.map(({ writes }) => writes.length)).toEqual([128, 128, 45, 1, 1]);
  });

  it('splits transactions for a target that takes less than etcd does by default', async () => {
    const etcd = new MemoryEtcd();
    etcd.maxRequestBytes = 2000;
    await load(etcd, memoryView(manyKeys(300)));
    expect(etcd.keys.size).toBe(300);
  });

  it('splits transactions for a target that takes fewer operations in one', async () => {
    const etcd = new MemoryEtcd();
    etcd.maxTxnOps = 10;
    await load(etcd, memoryView(manyKeys(300)));
    expect(etcd.keys.size).toBe(300);
  });

  it('writes a value that fits only without its guard', async () => {
    const etcd = new MemoryEtcd();
    etcd.maxRequestBytes = 1040;
    await load(etcd, memoryView([{ key: '/sensu.io/large', value: Buffer.alloc(1010) }]));
    expect(etcd.keys.size).toBe(1);
  });

  it('names the key whose value the target does not take, and what to set', async () => {
    const etcd = new MemoryEtcd();
    etcd.maxRequestBytes = 1000;
    const source = memoryView([{ key: '/sensu.io/apikeys/5b811627-9779-451f', value: Buffer.alloc(5000) }]);
    const error: unknown = await load(etcd, source).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'VALUE_TOO_LARGE', kind: 'refused' });
    expect((error as Error).message).not.toContain('5b811627');
    expect(error).toHaveProperty('hint', expect.stringContaining('--max-request-bytes 6144'));
  });

  it('takes a lost answer for what it was', async () => {
    const etcd = new MemoryEtcd();
    let lost = 0;
    etcd.afterTxn = () => {
      if (lost++ === 0) throw failure('unreachable', 'TIMED_OUT');
    };
    await load(etcd, memoryView(manyKeys(10)));
    expect(etcd.keys.size).toBe(10);
    // The one that was applied, the same again, and the one that asks key by key.
    expect(etcd.transactions).toHaveLength(3);
  });

  it('stops when somebody else writes to the target', async () => {
    const etcd = new MemoryEtcd();
    etcd.beforeTxn = () => {
      etcd.put('/sensu.io/events/default/000003', 'theirs');
    };
    await expect(load(etcd, memoryView(manyKeys(10)))).rejects.toMatchObject({
      code: 'TARGET_CHANGED',
      kind: 'refused',
    });
    expect(etcd.keys.size).toBe(1);
  });

  it('goes on where an earlier load stopped', async () => {
    const etcd = new MemoryEtcd();
    const source = memoryView([...manyKeys(500), { key: '/sensu.io/z', lease: 7n }], [[7n, 10n]]);
    let transactions = 0;
    etcd.beforeTxn = () => {
      if (++transactions > 2) throw failure('failed', 'CUT');
    };
    await expect(load(etcd, source)).rejects.toMatchObject({ code: 'CUT' });
    expect(etcd.keys.size).toBe(256);
    etcd.beforeTxn = () => undefined;
    expect(await load(etcd, source)).toMatchObject({ written: 245 });
    await verifyCopy(silentContext(), etcd, source);
    expect(await load(etcd, source)).toMatchObject({ written: 0 });
  });

  it('mends a copy that lost its leases, and a lease with another TTL', async () => {
    const etcd = new MemoryEtcd();
    etcd.granted.set(leaseId(7n), 99n);
    etcd.put('/sensu.io/a', 'kept');
    etcd.put('/sensu.io/b', 'leased');
    etcd.put('/sensu.io/c', '', leaseId(7n));
    expect(await load(etcd, withLeases)).toMatchObject({ written: 4 });
    await verifyCopy(silentContext(), etcd, withLeases);
  });

  it('brings a lease back that ended although it was held', async () => {
    const etcd = new MemoryEtcd();
    const keeper = new MemoryKeeper();
    let endings = 0;
    etcd.afterTxn = ({ writes }) => {
      const leased = writes.some((write) => write.type === 'put' && write.lease !== undefined);
      if (!leased || endings++ > 0) return;
      keeper.lost.add(leaseId(7n));
      void etcd.revokeLease(leaseId(7n));
    };
    await load(etcd, withLeases, {}, keeper);
    await verifyCopy(silentContext(), etcd, withLeases);
  });

  it('puts keys again whose lease ends between its grant and the first of them', async () => {
    const etcd = new MemoryEtcd();
    let endings = 0;
    etcd.beforeTxn = ({ writes }) => {
      const leased = writes.some((write) => write.type === 'put' && write.lease !== undefined);
      if (leased && endings++ === 0) void etcd.revokeLease(leaseId(7n));
    };
    await load(etcd, withLeases);
    await verifyCopy(silentContext(), etcd, withLeases);
  });

  it('grants a lease anew that is about to end on the target, and renews one in good time that has little left', async () => {
    const etcd = new MemoryEtcd();
    const keeper = new MemoryKeeper();
    await load(etcd, withLeases);
    etcd.remaining.set(leaseId(7n), 1n).set(leaseId(8n), 5n);
    const { leases } = await load(etcd, withLeases, {}, keeper);
    expect(leases).toContainEqual({ wanted: { id: 7n, ttl: 10n }, ttl: 10n, granted: true });
    expect(leases).toContainEqual({ wanted: { id: 8n, ttl: 60n }, ttl: 60n, granted: false });
    expect([...keeper.remaining]).toEqual(
      expect.arrayContaining([
        [7n, 10n],
        [8n, 5n],
      ]),
    );
    await verifyCopy(silentContext(), etcd, withLeases);
  });

  it('takes a key for vacant that the end of a lease on the target takes away under its hands', async () => {
    const etcd = new MemoryEtcd();
    etcd.granted.set(leaseId(5n), 10n);
    for (const key of ['/sensu.io/a', '/sensu.io/e']) etcd.put(key, 'older', leaseId(5n));
    let ended = false;
    etcd.beforeTxn = () => {
      if (!ended) void etcd.revokeLease(leaseId(5n));
      ended = true;
    };
    expect(await load(etcd, withLeases, { existing: 'replace' })).toMatchObject({ written: 5, deleted: 0 });
    await verifyCopy(silentContext(), etcd, withLeases);
  });

  it('puts the cluster id first and alone, so that a target that is left half loaded shows whose it is', async () => {
    const etcd = new MemoryEtcd();
    const source = memoryView([...manyKeys(300), { key: '/sensu.io/cluster_id', value: 'this store' }]);
    let transactions = 0;
    etcd.beforeTxn = () => {
      if (transactions++ > 0) throw failure('refused', 'ETCD_NO_SPACE');
    };
    await expect(load(etcd, source)).rejects.toMatchObject({ code: 'ETCD_NO_SPACE' });
    expect([...etcd.keys.keys()]).toEqual(['/sensu.io/cluster_id']);
    etcd.beforeTxn = () => undefined;
    expect(await load(etcd, source)).toMatchObject({ written: 300 });
    await verifyCopy(silentContext(), etcd, source);
  });

  it('accepts a TTL that the target had to raise, and says so', async () => {
    const etcd = new MemoryEtcd();
    etcd.minTtl = 15n;
    const { leases } = await load(etcd, withLeases);
    expect(leases).toContainEqual({ wanted: { id: 7n, ttl: 10n }, ttl: 15n, granted: true });
    await expect(verifyCopy(silentContext(), etcd, withLeases)).rejects.toMatchObject({
      code: 'CONTENT_DIFFERS',
    });
    await verifyCopy(silentContext(), etcd, withLeases, { leases });
  });
});

describe('a target that is not empty', () => {
  const other = (): MemoryEtcd => {
    const etcd = new MemoryEtcd();
    etcd.put('/sensu.io/cluster_id', 'another');
    return etcd;
  };

  it('is refused and left as it was when it holds another store', async () => {
    const etcd = other();
    await expect(load(etcd, withLeases)).rejects.toMatchObject({
      code: 'TARGET_NOT_EMPTY',
      kind: 'refused',
    });
    expect(etcd.transactions).toEqual([]);
    expect(etcd.granted.size).toBe(0);
  });

  it('is refused when one value differs', async () => {
    const etcd = new MemoryEtcd();
    etcd.put('/sensu.io/a', 'changed since');
    await expect(load(etcd, withLeases)).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' });
  });

  it('is refused with as many keys as differ, and not with all that it has', async () => {
    const etcd = new MemoryEtcd();
    await load(etcd, withLeases);
    etcd.put('/sensu.io/a', 'changed since');
    await expect(load(etcd, withLeases)).rejects.toMatchObject({
      message: expect.stringMatching(/: \/sensu\.io\/a \(1 of the \d+ that it has there\)\.$/) as unknown,
    });
  });

  it('is made equal to the source when that is asked for', async () => {
    const etcd = other();
    etcd.put('/sensu.io/a', 'older');
    expect(await load(etcd, withLeases, { existing: 'replace' })).toMatchObject({ written: 5, deleted: 1 });
    await verifyCopy(silentContext(), etcd, withLeases);
  });

  it('keeps what is not under the Sensu root', async () => {
    const etcd = other();
    etcd.put('/other', 'theirs');
    etcd.put('/sensu.io0', 'theirs');
    await load(etcd, withLeases, { existing: 'replace' });
    expect(etcd.keys.size).toBe(7);
  });

  it('is refused when a lease to replace holds a foreign key', async () => {
    const etcd = new MemoryEtcd();
    etcd.granted.set(leaseId(7n), 99n);
    etcd.put('/other', 'theirs', leaseId(7n));
    await expect(load(etcd, withLeases)).rejects.toMatchObject({ code: 'LEASE_TAKEN', kind: 'refused' });
    expect(etcd.keys.size).toBe(1);
  });
});

describe('a part', () => {
  it('is restored beside what is there, with the leases it needs', async () => {
    const etcd = new MemoryEtcd();
    etcd.put('/sensu.io/z', 'another');
    const range = { start: Buffer.from('/sensu.io/a'), end: Buffer.from('/sensu.io/c') };
    const part = { range, ephemeral: true };
    await load(etcd, withLeases, { part });
    expect([...etcd.keys.keys()].sort()).toEqual(['/sensu.io/a', '/sensu.io/b', '/sensu.io/z']);
    expect([...etcd.granted.keys()]).toEqual([7n]);
    const { target } = await verifyCopy(silentContext(), etcd, withLeases, { part });
    expect(target).toMatchObject({ lastingKeys: 1, ephemeralKeys: 1 });
  });

  it('without ephemeral keys has no leases', async () => {
    const etcd = new MemoryEtcd();
    const part = { range: { start: Buffer.from('/sensu.io/') }, ephemeral: false };
    await load(etcd, withLeases, { part });
    expect([...etcd.keys.keys()].sort()).toEqual(['/sensu.io/a', '/sensu.io/d', '/sensu.io/e']);
    expect(etcd.granted.size).toBe(0);
    await verifyCopy(silentContext(), etcd, withLeases, { part });
  });
});

describe('verification', () => {
  it('finds a missing, an additional and a changed key, and hides secrets', async () => {
    const source = memoryView([
      { key: '/sensu.io/apikeys/5b811627-9779-451f', value: '1' },
      { key: '/sensu.io/b', value: '1' },
    ]);
    const etcd = new MemoryEtcd();
    etcd.put('/sensu.io/b', '2');
    etcd.put('/sensu.io/user_sessions/admin/deadbeef', '');
    const error: unknown = await verifyCopy(silentContext(), etcd, source).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: 'integrity', code: 'CONTENT_DIFFERS' });
    const { message } = error as Error;
    expect(message).toMatch(
      /3 keys differ: missing \/sensu\.io\/apikeys\/\(hidden, sha256 [0-9a-f]{12}\); not of the source/,
    );
    expect(message).toContain('with another value or lease /sensu.io/b');
    expect(message).not.toMatch(/5b811627|deadbeef/);
  });

  it('finds a key that lost its lease', async () => {
    const etcd = new MemoryEtcd();
    await load(etcd, withLeases);
    etcd.put('/sensu.io/b', 'leased');
    await expect(verifyCopy(silentContext(), etcd, withLeases)).rejects.toThrow('/sensu.io/b');
  });

  it('reads a target with many more keys than the source', async () => {
    const etcd = new MemoryEtcd();
    for (const { key } of manyKeys(2500)) etcd.put(key, '');
    const source = memoryView([{ key: '/sensu.io/a' }]);
    await expect(verifyCopy(silentContext(), etcd, source)).rejects.toThrow('2,501 keys differ');
  });
});
